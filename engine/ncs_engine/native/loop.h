/* The loop over the points; its twin is numpy_kernel.PointLoop, where it is explained. */
#ifndef NCS_LOOP_H
#define NCS_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "microclusters.h"
#include "nearest.h"
#include "watch.h"

/* Points as they came, C order; any alignment. */
typedef struct {
    const char *rows;
    ptrdiff_t count;
    ptrdiff_t dimension;
    int is_float32; /* else double */
} ncs_block;

/* What a loop works on. */
typedef struct {
    ncs_micro micro;
    const double *shift; /* (dimension) */
    const double *scale; /* (dimension) */
    double varying;      /* features with a scale, at least 1 */
    int cosine;          /* unit vectors instead of shift and scale */
    double *gaps;        /* (gaps_capacity), ring of the gaps of the last points */
    ptrdiff_t gaps_capacity, gaps_at, gaps_filled;
    ncs_watch watch;
    double *novelty;     /* (NCS_NOVELTY_SIZE) */
    double *recent;      /* (recent_capacity, dimension), ring of raw points */
    int64_t *recent_ids; /* (recent_capacity) */
    ptrdiff_t recent_capacity, recent_at;
    int burst_window, burst_from;
    double *raw;     /* (dimension), scratch */
    double *z;       /* (dimension), scratch */
    double *squared; /* (micro.capacity), scratch */
    float *coarse;   /* ncs_finder_floats, scratch; NULL for few points */
    ncs_finder finder;
} ncs_loop;

/* Return the ring of the last points. */
static inline ncs_ring ncs_recent(const ncs_loop *loop)
{
    return (ncs_ring){loop->recent, loop->recent_capacity, loop->recent_at};
}

/* What holds during a call. */
typedef struct {
    double grain; /* distance within which a point joins its nearest micro-cluster */
    double radius;
    double usual;
    double outlier_threshold;
    double learning_rate;
    double sensitivity; /* see EngineParams.drift_sensitivity */
    int64_t look_until; /* points since the last step before which there are looks */
    int crowded; /* no room can be made: the nearest takes every point */
} ncs_dials;

/* How far the model is. */
typedef struct {
    int64_t learned;
    int64_t since_step;
    uint32_t burst; /* the last verdicts as bits, 1 for a strange point */
} ncs_progress;

/* Where verdicts go, by index of the point in its block. */
typedef struct {
    int64_t *ids;
    uint8_t *outliers;
    float *scores;
} ncs_verdicts;

typedef enum { NCS_END = 0, NCS_DUE = 1, NCS_FULL = 2, NCS_LOOK = 3 } ncs_reason;

/* Return whether every value is finite and at most `largest` in absolute value. */
int ncs_within(const ncs_block *block, double largest);

/* Learn the points [start, stop) until one of the reasons; return which it was.
 *
 * INOUT loop
 * IN    block
 * IN    dials
 * INOUT progress
 * OUT   verdicts
 * OUT   taken     points learned
 */
ncs_reason ncs_learn(ncs_loop *loop, const ncs_block *block, ptrdiff_t start,
                     ptrdiff_t stop, const ncs_dials *dials, ncs_progress *progress,
                     const ncs_verdicts *verdicts, ptrdiff_t *taken);

/* Judge every point of the block and learn nothing.
 *
 * INOUT loop      only its scratch is written
 * IN    block
 * IN    dials
 * IN    learned   points that the model has learned
 * OUT   verdicts
 */
void ncs_judge(ncs_loop *loop, const ncs_block *block, const ncs_dials *dials,
               int64_t learned, const ncs_verdicts *verdicts);

#endif
