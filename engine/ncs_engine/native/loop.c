#include "loop.h"

#include <math.h>
#include <string.h>

#include "clones.h"
#include "distances.h"
#include "score.h"
#include "unit.h"

#define OUTLIER (-1)

/* Rows of either type become doubles here, one at a time: no block is ever copied. */
static void load(const ncs_block *block, ptrdiff_t row, double *raw)
{
    ptrdiff_t d = block->dimension;
    if (!block->is_float32) {
        memcpy(raw, block->rows + row * d * sizeof(double), d * sizeof(double));
        return;
    }
    const char *from = block->rows + row * d * sizeof(float);
    for (ptrdiff_t j = 0; j < d; j++) {
        float value;
        memcpy(&value, from + j * sizeof(float), sizeof value);
        raw[j] = value;
    }
}

NCS_CLONES
int ncs_within(const ncs_block *block, double largest)
{
    ptrdiff_t n = block->count * block->dimension;
    int within = 1; /* no early exit: with one there are no vectors */
    if (block->is_float32) {
        for (ptrdiff_t i = 0; i < n; i++) {
            float value;
            memcpy(&value, block->rows + i * sizeof value, sizeof value);
            within &= fabs((double)value) <= largest;
        }
        return within;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, block->rows + i * sizeof value, sizeof value);
        within &= fabs(value) <= largest;
    }
    return within;
}

static void standardize(const ncs_loop *loop)
{
    const double *raw = loop->raw;
    ptrdiff_t d = loop->micro.dimension;
    double *z = loop->z;
    if (!loop->cosine) {
        for (ptrdiff_t j = 0; j < d; j++)
            z[j] = (raw[j] - loop->shift[j]) * loop->scale[j];
        return;
    }
    ncs_unit_vector(raw, d, z);
}

typedef struct {
    ptrdiff_t nearest; /* -1 without any micro-cluster */
    double squared;    /* its squared distance */
    int64_t cluster;   /* the id that is told, OUTLIER for none */
    int64_t label;     /* the cluster that it takes part in; OUTLIER if it is strange */
    double gap;        /* to the nearest with a label */
    double plain;      /* score by the gap alone */
    double norm;       /* mean square of the coordinates that vary */
    float score;       /* as told */
    int strange;
} verdict;

/* Make the coarse copy where there is room for one; return whether there is. */
static int begin(ncs_loop *loop)
{
    const ncs_micro *m = &loop->micro;
    if (loop->coarse == NULL)
        return 0;
    loop->finder = ncs_finder_of(m->centres, m->dimension, m->capacity, m->count,
                                 loop->coarse);
    return 1;
}

static void measure_all(const ncs_loop *loop)
{
    const ncs_micro *m = &loop->micro;
    ncs_squared_distances(m->centres, m->dimension, m->capacity, m->count, loop->z,
                          loop->squared);
}

/* Return the nearest of all, and in `squared` its squared distance. */
static ptrdiff_t nearest(const ncs_loop *loop, int coarse, double norm, double *squared)
{
    ptrdiff_t count = loop->micro.count;
    if (coarse)
        return ncs_find_nearest(&loop->finder, count, loop->z, norm, squared,
                                loop->squared);
    measure_all(loop);
    ptrdiff_t index = ncs_argmin(loop->squared, count);
    *squared = index < 0 ? INFINITY : loop->squared[index];
    return index;
}

/* The same of those with a label; INOUT squared. */
static ptrdiff_t nearest_labelled(const ncs_loop *loop, ptrdiff_t nearest,
                                  double *squared)
{
    const int64_t *label = loop->micro.label;
    if (nearest < 0 || label[nearest] >= 0)
        return nearest;
    ptrdiff_t best = -1;
    measure_all(loop);
    for (ptrdiff_t i = 0; i < loop->micro.count; i++)
        if (label[i] >= 0 && (best < 0 || loop->squared[i] < loop->squared[best]))
            best = i;
    *squared = best < 0 ? INFINITY : loop->squared[best];
    return best;
}

static double sum_of_squares(const ncs_loop *loop)
{
    double total = 0.0;
    for (ptrdiff_t j = 0; j < loop->micro.dimension; j++)
        total += loop->z[j] * loop->z[j];
    return total;
}

static float short_of_outlier(double score, double threshold)
{
    float most = nextafterf((float)threshold, 0.0f);
    return (float)score < most ? (float)score : most;
}

static verdict judge(const ncs_loop *loop, int coarse, const ncs_dials *dials,
                     int64_t learned)
{
    const ncs_micro *micro = &loop->micro;
    double squares = sum_of_squares(loop), gap;
    verdict v = {-1, INFINITY, OUTLIER, OUTLIER, INFINITY, 1.0,
                 squares / loop->varying, 1.0f, 1};
    v.nearest = nearest(loop, coarse, squares, &v.squared);
    gap = v.squared;
    ptrdiff_t labelled = nearest_labelled(loop, v.nearest, &gap);
    if (labelled < 0 || gap == INFINITY)
        return v;
    double threshold = dials->outlier_threshold;
    v.gap = sqrt(gap);
    v.plain = ncs_outlier_score(v.gap, dials->radius, dials->usual);
    if (learned < NCS_YOUNG) {
        v.strange = v.plain >= threshold;
        v.plain = 0.0;
        double score = ncs_lift(loop->watch.background, 0.0, v.norm);
        v.score = short_of_outlier(score, threshold);
        v.cluster = micro->label[labelled];
    } else {
        /* In the precision in which it is told, so that verdict and score agree. */
        v.score = (float)ncs_lift(loop->watch.background, v.plain, v.norm);
        v.strange = v.score >= threshold;
        if (!v.strange)
            v.cluster = micro->label[labelled];
    }
    if (!v.strange)
        v.label = v.cluster;
    return v;
}

/* Whether a strange point, the one numbered `at`, lies where others came of late. */
static int agrees(const ncs_loop *loop, const verdict *v, double radius, int64_t at)
{
    const ncs_micro *micro = &loop->micro;
    double reach = NCS_LIMIT_RADII * radius;
    return v->strange && v->nearest >= 0 && micro->label[v->nearest] < 0 &&
           v->squared <= reach * reach &&
           micro->seen[v->nearest] > at - NCS_STRAY_MEMORY;
}

static void remember(ncs_loop *loop, const verdict *v, int agreeing)
{
    ptrdiff_t d = loop->micro.dimension;
    ncs_add_strangeness(loop->watch.background, v->plain, v->norm);
    ncs_add_agreement(loop->novelty, agreeing);
    if (!v->strange) {
        loop->gaps[loop->gaps_at] = v->gap;
        loop->gaps_at = (loop->gaps_at + 1) % loop->gaps_capacity;
        loop->gaps_filled += loop->gaps_filled < loop->gaps_capacity;
    }
    memcpy(loop->recent + loop->recent_at * d, loop->raw, d * sizeof(double));
    loop->recent_ids[loop->recent_at] = v->label;
    loop->recent_at = (loop->recent_at + 1) % loop->recent_capacity;
}

static void tell(const ncs_verdicts *verdicts, ptrdiff_t i, const verdict *v)
{
    verdicts->ids[i] = v->cluster;
    verdicts->outliers[i] = v->cluster == OUTLIER;
    verdicts->scores[i] = v->score;
}

/* Whether strange points come in a run, or agree. */
static int is_bursting(const ncs_loop *loop, const ncs_progress *progress,
                       double sensitivity)
{
    int strange = 0;
    if (progress->since_step < loop->burst_window)
        return 0;
    for (uint32_t bits = progress->burst; bits; bits &= bits - 1)
        strange++;
    double enough = 16.0 - 10.0 * sensitivity;
    return strange >= loop->burst_from || loop->novelty[NCS_EVIDENCE] >= enough;
}

/* Return what is due after a point, NCS_END for nothing. */
static ncs_reason due(const ncs_loop *loop, const ncs_progress *progress,
                      const ncs_dials *dials)
{
    if (is_bursting(loop, progress, dials->sensitivity))
        return NCS_DUE;
    int64_t since = progress->since_step;
    if (since % NCS_LOOK_POINTS || since >= dials->look_until)
        return NCS_END;
    if (!ncs_has_cells(&loop->watch.distribution))
        return NCS_LOOK;
    int found = ncs_look(&loop->watch, ncs_recent(loop), dials->sensitivity, loop->z);
    return found ? NCS_DUE : NCS_END;
}

ncs_reason ncs_learn(ncs_loop *loop, const ncs_block *block, ptrdiff_t start,
                     ptrdiff_t stop, const ncs_dials *dials, ncs_progress *progress,
                     const ncs_verdicts *verdicts, ptrdiff_t *taken)
{
    uint32_t window = ((uint32_t)1 << loop->burst_window) - 1;
    int coarse = begin(loop);
    *taken = 0;
    for (ptrdiff_t i = start; i < stop; i++) {
        load(block, i, loop->raw);
        standardize(loop);
        verdict v = judge(loop, coarse, dials, progress->learned);
        ptrdiff_t index;
        int agreeing = agrees(loop, &v, dials->radius, progress->learned + 1);
        if (!ncs_place(&loop->micro, loop->z, v.nearest, v.squared, v.label,
                       dials->grain, dials->learning_rate, dials->crowded,
                       progress->learned + 1, &index))
            return NCS_FULL;
        if (coarse)
            ncs_finder_follow(&loop->finder, index);
        remember(loop, &v, agreeing);
        tell(verdicts, i, &v);
        progress->learned++;
        progress->since_step++;
        progress->burst = ((progress->burst << 1) | (uint32_t)v.strange) & window;
        ++*taken;
        ncs_count(&loop->watch.ledger, v.cluster, progress->learned);
        ncs_reason reason = due(loop, progress, dials);
        if (reason != NCS_END)
            return reason;
    }
    return NCS_END;
}

void ncs_judge(ncs_loop *loop, const ncs_block *block, const ncs_dials *dials,
               int64_t learned, const ncs_verdicts *verdicts)
{
    int coarse = begin(loop);
    for (ptrdiff_t i = 0; i < block->count; i++) {
        load(block, i, loop->raw);
        standardize(loop);
        verdict v = judge(loop, coarse, dials, learned);
        tell(verdicts, i, &v);
    }
}
