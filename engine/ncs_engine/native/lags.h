/* How far clusters are from where they are remembered; see lags.py. */
#ifndef NCS_LAGS_H
#define NCS_LAGS_H

#include "microclusters.h"
#include "room.h"

typedef struct {
    int64_t cluster;
    double excess, squared;
} ncs_lag;

/* What is looked at, and what that works with. */
typedef struct {
    const double *points;   /* (n, d), oldest first */
    const int64_t *cluster; /* (n), where they belong, -1 for nowhere */
    ptrdiff_t n, least;     /* points; so many of a cluster, at least */
    const ncs_micro *micro;
    ptrdiff_t *who, *own;   /* scratch (n), (count) */
    double *share;          /* scratch (count) */
    double *mean, *middle, *slope, *axis, *rest, *last; /* scratch (d) */
    ncs_lag *lags;          /* OUT (n) */
} ncs_motion;

/* Take the scratch and the answer. */
void ncs_motion_lay_out(ncs_motion *motion, ncs_room *room);

/* Find the lag of every cluster with enough points, ascending; return how many. */
ptrdiff_t ncs_find_lags(const ncs_motion *motion);

#endif
