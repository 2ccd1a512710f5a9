/* How well cuts separate: silhouettes (Rousseeuw 1987).

   From the finest cut to the coarsest: a row for each of its nodes, of which two become
   one when their nodes do. */
#ifndef NCS_SILHOUETTE_H
#define NCS_SILHOUETTE_H

#include "tree.h"

typedef struct {
    ncs_tree *tree;
    int n, stride;
    double *rows;   /* the board of the tree: a row for each node of a cut */
    int *row_of;    /* (2m) the row of a node */
    char *fresh;    /* (2m) whether it is there */
    int *nodes;     /* (m) of the cut */
    int *filled;    /* (m) rows of those with recent points, in the order of places */
    int *end;       /* (m) where the points of each of those end */
    double *item;   /* scratch (max(n, m), padded) */
    double *other;  /* scratch (max(n, m), padded) */
    double *own;    /* scratch (max(n, m), padded) */
    double *spread; /* (m, padded) total variance, by place */
    int *leaf;      /* (n) place of the nearest micro-cluster of each recent point */
    int *before;    /* (m + 1) how many recent points belong to places before */
    int *who;       /* (n) the recent points, by place */
    double *points; /* (d, stride) recent points, by place */
} ncs_silhouettes;

void ncs_silhouettes_lay_out(ncs_silhouettes *s, ncs_tree *tree, ncs_room *room);

/* Add the mean silhouette of the recent points, times `factor`, to the value of each of
 * the cuts; O(n^2 d + n k). The tree has grown.
 *
 * IN    pieces  int (count), rising
 * INOUT value   double (count)
 */
void ncs_add_point_silhouettes(ncs_silhouettes *s, int count, const int *pieces,
                               double factor, double *value);

/* The same by distances to the centres of the pieces, over the micro-clusters. */
void ncs_add_centre_silhouettes(ncs_silhouettes *s, int count, const int *pieces,
                                double factor, double *value);

#endif
