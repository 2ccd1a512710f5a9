/* Merging what raises the sum of squares least (Ward 1963). */
#ifndef NCS_WARD_H
#define NCS_WARD_H

#include "room.h"

typedef struct {
    int m, d, stride;
    int pitch;        /* row length of `cost` */
    int width;        /* slots that are looked at, a whole number of vectors */
    int filled;       /* how many of them are not empty */
    double *cost;     /* (m, pitch) of a merge with a later slot */
    double *place;    /* (d, stride) */
    double *mass;     /* (stride) */
    double *bar;      /* (stride) 0, or infinite where nothing is left */
    double *best;     /* (stride) no later slot costs less */
    int *later;       /* (stride) which costs that; -1 if that one has gone */
    int *node;        /* (m) */
    int *is, *was;    /* scratch (stride) */
} ncs_ward;

/* Take the arrays. */
void ncs_ward_lay_out(ncs_ward *ward, int m, int d, ncs_room *room);

/* Begin with `m` micro-clusters, a slot each, whose centres are in `place`.
 *
 * INOUT cost    double (m, pitch), their squared distances; it is used up
 * IN    weight  double (m)
 */
void ncs_ward_begin(ncs_ward *ward, double *cost, const double *weight);

/* Find the cheapest pair of slots, a < b; the first of equal ones. */
void ncs_ward_next(ncs_ward *ward, int *a, int *b);

/* Put the node that was made of the slots a and b into a.
 *
 * IN mean  double (d)
 */
void ncs_ward_replace(ncs_ward *ward, int a, int b, int made, const double *mean,
                      double mass);

#endif
