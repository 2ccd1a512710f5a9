/* A Ward tree over micro-clusters, with the evidence for every cut of it. */
#ifndef NCS_TREE_H
#define NCS_TREE_H

#include "partition.h"
#include "valley.h"

typedef struct {
    const ncs_crowd *in;
    int m, d, s;     /* micro-clusters, dimensions, numbers in a scatter */
    double threshold;
    double *x, *v;   /* (m, d) centres and variances */
    double *gap;     /* (m, m) squared distances */
    double *spacing; /* (m) squared distance to the second nearest */
    double *blur;    /* (m) see ncs_nodes */
    double *evidence; /* (m) for a cut into k, at k - 1 */
    /* Nodes; those of the micro-clusters come first, then the merges in order. */
    int *next;               /* (m) chain of members */
    int *first, *last, *size; /* (2m) */
    int *left, *right;       /* (m - 1) what each merge put together */
    double *mean, *scatter;  /* (2m, d), (2m, s) */
    double *mass, *count;    /* (2m) weight, and points that do not coincide */
    ncs_nodes nodes;
    double *known;           /* (2m, 2m) valley + 1; 0 where it is not known yet */
    double *numbers;         /* what is allocated */
    int *indices;
} ncs_tree;

/* Returns 0, or -1 if there is no memory; ncs_tree_free in both cases. */
int ncs_tree_grow(ncs_tree *tree /* OUT */, const ncs_crowd *crowd);
void ncs_tree_free(ncs_tree *tree);

/* The valley between two nodes; every pair is tested once. */
double ncs_tree_valley(ncs_tree *tree, int a, int b);

/* Piece of each micro-cluster and node of each piece for k pieces. */
void ncs_tree_cut(const ncs_tree *tree, int k, int *piece /* OUT (m) */, int *nodes /* OUT (k) */);

#endif
