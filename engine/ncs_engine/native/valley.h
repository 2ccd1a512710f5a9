/* The valley test: whether two crowds of micro-clusters have a valley between them. */
#ifndef NCS_VALLEY_H
#define NCS_VALLEY_H

#include "room.h"

#define NCS_LANES 8

/* Nodes of a tree; the members of each lie side by side. */
typedef struct {
    int m, d, full, s;      /* full: covariances; else variances; s numbers of them */
    int stride;
    double *x;              /* (d, stride) centres, by place */
    double *v;              /* (d, stride) variances, by place */
    double *w;              /* (m) weights, by place */
    double *blur;           /* (m) variance added where points coincide, by place */
    int *first, *size;      /* (2m) first place, number of places */
    double *mean;           /* (2m, d) */
    double *scatter;        /* (2m, s) */
    double *mass;           /* (2m) */
    double *scratch;
} ncs_nodes;

/* Take the arrays for m micro-clusters in d dimensions. */
void ncs_nodes_lay_out(ncs_nodes *nodes, int m, int d, ncs_room *room);

/* Return the place of a number in a scatter: a lower triangle, or a diagonal. */
static inline int ncs_packed(int row, int column)
{
    return row * (row + 1) / 2 + column;
}

/* Work out the valleys between `count` pairs of nodes, at most NCS_LANES: 1 for none, 0
 * for an empty one.
 *
 * OUT valley  double (count)
 */
void ncs_valleys(const ncs_nodes *nodes, int count, const int *a, const int *b,
                 double *valley);

#endif
