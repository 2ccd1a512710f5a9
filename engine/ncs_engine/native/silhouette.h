/* How well a cut separates: silhouettes (Rousseeuw 1987).

   Items keep a row for every node of the tree that a cut has used, so that a further cut
   costs no more than one pass over the rows of its pieces. */
#ifndef NCS_SILHOUETTE_H
#define NCS_SILHOUETTE_H

#include "tree.h"

typedef struct {
    const ncs_tree *tree;
    int n;
    int *leaf;       /* (n) micro-cluster of each recent point */
    int *members;    /* (2m) recent points in each node */
    double *between; /* (2m, n) sums of distances of the points to those of a node */
    double *away;    /* (2m, m) squared distances of the micro-clusters to its centre */
    double *spread;  /* (m) total variance of each micro-cluster */
    double *other;   /* scratch (max(n, m)) */
    int *owner;      /* scratch (max(n, m)) */
    char *ready;     /* (2m) whether the row of `away` is there */
} ncs_silhouettes;

/* Returns 0, or -1 if there is no memory; ncs_silhouettes_free in both cases. */
int ncs_silhouettes_begin(ncs_silhouettes *s /* OUT */, const ncs_tree *tree);
void ncs_silhouettes_free(ncs_silhouettes *s);

/* Mean silhouette of the recent points. O(n k). */
double ncs_point_silhouette(ncs_silhouettes *s, int k, const int *piece, const int *nodes);

/* The same by distances to the centres of the pieces, over the micro-clusters. */
double ncs_centre_silhouette(ncs_silhouettes *s, int k, const int *piece, const int *nodes);

#endif
