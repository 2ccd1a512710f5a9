/* How well a cut separates: silhouettes (Rousseeuw 1987). */
#ifndef NCS_SILHOUETTE_H
#define NCS_SILHOUETTE_H

#include "tree.h"

typedef struct {
    int n;
    double *between; /* (n, n) distances among the recent points */
    int *nearest;    /* (n) micro-cluster of each */
    double *sums;    /* scratch */
    int *members;    /* scratch */
} ncs_recent;

/* Returns 0, or -1 if there is no memory; ncs_recent_free in both cases. */
int ncs_recent_measure(ncs_recent *recent /* OUT */, const ncs_crowd *crowd);
void ncs_recent_free(ncs_recent *recent);

/* Mean silhouette of the recent points. O(n^2 + n k). */
double ncs_point_silhouette(ncs_recent *recent, int k, const int *piece);

/* The same by distances to the centres of the pieces, over the micro-clusters. */
double ncs_centre_silhouette(const ncs_tree *tree, int k, const int *piece, const int *nodes);

#endif
