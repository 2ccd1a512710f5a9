/* A Ward tree over micro-clusters, with the evidence for every cut of it. */
#ifndef NCS_TREE_H
#define NCS_TREE_H

#include "partition.h"
#include "room.h"
#include "valley.h"
#include "ward.h"

typedef struct {
    const ncs_crowd *in;
    int m, d;
    double *board;         /* scratch of (m + 1) rows of max(m, n), padded */
    /* Of micro-clusters. */
    double *spacing;       /* (m) squared distance to the second nearest */
    double *blur;          /* (m) see ncs_nodes */
    uint64_t *touching;    /* (m, words) sets: closer than twice the spacing of both */
    uint64_t *near;        /* (m, words) sets: within reach */
    /* Nodes; those of the micro-clusters come first, then the merges in order. */
    ncs_ward ward;
    ncs_nodes nodes;
    int *left, *right;     /* (m - 1) what each merge put together */
    int *parent;           /* (2m) */
    double *count;         /* (2m) points that do not coincide */
    int *order;            /* (m) micro-cluster at each place */
    double *evidence;      /* (m) for a cut into k, at k - 1 */
    double *ahead;         /* (m, padded) what further cuts may add to it at most */
    int known;             /* for how many cuts the evidence is worked out */
    uint64_t *tested;      /* pairs of nodes whose valleys are remembered */
    double *valley;
} ncs_tree;

/* Take the arrays. */
void ncs_tree_lay_out(ncs_tree *tree, const ncs_crowd *crowd, ncs_room *room);

/* Grow it; the board is used up. The evidence is worked out for the cuts into up to
 * `cuts` pieces, and for all among which its peak may be. */
void ncs_tree_grow(ncs_tree *tree, int cuts);

/* The valleys between `count` pairs of nodes, at most NCS_LANES, as the smaller side
 * and some members that see none see them. */
void ncs_tree_seen(ncs_tree *tree, int count, const int *a, const int *b,
                   double pseudo_members, double *seen /* OUT (count) */);

/* The nodes of the cut into k pieces, the one that was made last first. */
void ncs_tree_cut(const ncs_tree *tree, int k, int *nodes /* OUT (k) */);

#endif
