/* Merging what raises the sum of squares least (Ward 1963). */
#ifndef NCS_WARD_H
#define NCS_WARD_H

#include "room.h"

typedef struct {
    int m, d;
    int width, empty; /* slots in use, and how many of them are empty */
    double *cost;     /* (m, m) of a merge with a later slot */
    double *place;    /* (d, m) */
    double *mass;     /* (m) */
    double *bar;      /* (m) 0, or infinite where nothing is left */
    double *best;     /* (m) no later slot costs less */
    int *later;       /* (m) which costs that; -1 if that one has gone */
    int *node;        /* (m) */
    int *is, *was;    /* scratch (m) */
} ncs_ward;

void ncs_ward_lay_out(ncs_ward *ward, int m, int d, ncs_room *room);

/* Begin with `m` micro-clusters, a slot each.
 *
 * INOUT cost     double (m, m), their squared distances; it is used up
 * IN    centres  double (d, stride)
 * IN    weight   double (m)
 */
void ncs_ward_begin(ncs_ward *ward, double *cost, const double *centres, int stride,
                    const double *weight);

/* Find the cheapest pair of slots, a < b; the first of equal ones. */
void ncs_ward_next(ncs_ward *ward, int *a, int *b);

/* Put the node that was made of the slots a and b into a.
 *
 * IN mean  double (d)
 */
void ncs_ward_replace(ncs_ward *ward, int a, int b, int made, const double *mean,
                      double mass);

#endif
