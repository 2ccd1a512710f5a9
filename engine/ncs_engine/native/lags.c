#include "lags.h"

#include <math.h>
#include <string.h>

void ncs_motion_lay_out(ncs_motion *t, ncs_room *room)
{
    size_t n = t->n, m = t->micro->count, d = t->micro->dimension, each = sizeof(double);
    t->who = ncs_room_take(room, n, sizeof *t->who);
    t->own = ncs_room_take(room, m, sizeof *t->own);
    t->share = ncs_room_take(room, m, each);
    t->mean = ncs_room_take(room, d, each);
    t->middle = ncs_room_take(room, d, each);
    t->slope = ncs_room_take(room, d, each);
    t->axis = ncs_room_take(room, d, each);
    t->rest = ncs_room_take(room, d, each);
    t->last = ncs_room_take(room, d, each);
    t->lags = ncs_room_take(room, n, sizeof *t->lags);
}

/* List the points of the cluster that comes next; return how many. */
static ptrdiff_t next(const ncs_motion *t, int64_t *cluster)
{
    int64_t least = -1;
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < t->n; i++)
        if (t->cluster[i] > *cluster && (least < 0 || t->cluster[i] < least))
            least = t->cluster[i];
    *cluster = least;
    for (ptrdiff_t i = 0; i < t->n; i++)
        if (t->cluster[i] == least)
            t->who[count++] = i;
    return count;
}

/* Work out the shares of the weight of a cluster; return of how many. */
static ptrdiff_t share_out(const ncs_motion *t, int64_t cluster)
{
    ptrdiff_t count = 0;
    double total = 0.0;
    for (ptrdiff_t i = 0; i < t->micro->count; i++)
        if (t->micro->label[i] == cluster) {
            t->own[count++] = i;
            total += t->micro->weight[i];
        }
    for (ptrdiff_t i = 0; i < count; i++)
        t->share[i] = t->micro->weight[t->own[i]] / total;
    return count;
}

/* Find the mean of what is remembered; return its total variance. */
static double remember(const ncs_motion *t, ptrdiff_t count)
{
    const ncs_micro *micro = t->micro;
    double total = 0.0;
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        const double *centre = micro->centres + j * micro->capacity;
        const double *spread = micro->spread + j * micro->capacity;
        double mean = 0.0, variance = 0.0;
        for (ptrdiff_t i = 0; i < count; i++)
            mean += centre[t->own[i]] * t->share[i];
        for (ptrdiff_t i = 0; i < count; i++) {
            double off = centre[t->own[i]] - mean;
            variance += (off * off + spread[t->own[i]]) * t->share[i];
        }
        t->mean[j] = mean;
        total += variance;
    }
    return total;
}

/* Return the variance along the axis. */
static double variance_along(const ncs_motion *t, ptrdiff_t count)
{
    const ncs_micro *micro = t->micro;
    double sum = 0.0;
    for (ptrdiff_t i = 0; i < count; i++) {
        double between = 0.0, within = 0.0;
        for (ptrdiff_t j = 0; j < micro->dimension; j++) {
            ptrdiff_t place = j * micro->capacity + t->own[i];
            double axis = t->axis[j];
            between += axis * (micro->centres[place] - t->mean[j]);
            within += axis * axis * micro->spread[place];
        }
        sum += (between * between + within) * t->share[i];
    }
    return sum;
}

/* Find the mean of the points and the slope of their linear trend. */
static void find_trend(const ncs_motion *t, ptrdiff_t n)
{
    ptrdiff_t d = t->micro->dimension;
    double squares = 0.0;
    memset(t->middle, 0, d * sizeof *t->middle);
    memset(t->slope, 0, d * sizeof *t->slope);
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = 0; j < d; j++)
            t->middle[j] += t->points[t->who[i] * d + j];
    for (ptrdiff_t j = 0; j < d; j++)
        t->middle[j] /= (double)n;
    for (ptrdiff_t i = 0; i < n; i++) {
        double at = (double)i - 0.5 * (double)(n - 1);
        squares += at * at;
        for (ptrdiff_t j = 0; j < d; j++)
            t->slope[j] += at * (t->points[t->who[i] * d + j] - t->middle[j]);
    }
    for (ptrdiff_t j = 0; j < d; j++)
        t->slope[j] /= squares;
}

/* Return how many independent points these equal, by the correlation of neighbours. */
static double independent(const ncs_motion *t, ptrdiff_t n)
{
    ptrdiff_t d = t->micro->dimension;
    double squares = 0.0, product = 0.0, r = 1.0;
    for (ptrdiff_t i = 0; i < n; i++) {
        double at = (double)i - 0.5 * (double)(n - 1), own = 0.0, both = 0.0;
        const double *point = t->points + t->who[i] * d;
        for (ptrdiff_t j = 0; j < d; j++) {
            t->rest[j] = point[j] - t->middle[j] - at * t->slope[j];
            own += t->rest[j] * t->rest[j];
            both += i ? t->rest[j] * t->last[j] : 0.0;
            t->last[j] = t->rest[j];
        }
        squares += own;
        product += both;
    }
    if (squares > 0.0) {
        r = product / squares > 0.0 ? product / squares : 0.0;
        r = r < 1.0 ? r : 1.0;
    }
    return (double)n * (1.0 - r) / (1.0 + r);
}

/* Find the lag of a cluster of which `n` points are listed; return whether it has one. */
static int find_lag(const ncs_motion *t, int64_t cluster, ptrdiff_t n, ncs_lag *lag)
{
    ptrdiff_t d = t->micro->dimension, count = share_out(t, cluster);
    double total = remember(t, count), squared = 0.0;
    find_trend(t, n);
    for (ptrdiff_t j = 0; j < d; j++) {
        t->axis[j] = t->middle[j] - t->mean[j];
        squared += t->axis[j] * t->axis[j];
    }
    double equal = independent(t, n), root = sqrt(squared);
    if (!(total > 0.0 && total < INFINITY && squared > 0.0 && squared < INFINITY &&
          equal > 0.0))
        return 0;
    for (ptrdiff_t j = 0; j < d; j++)
        t->axis[j] /= root;
    double along = variance_along(t, count), chance = total / equal;
    *lag = (ncs_lag){cluster, squared / chance - 1.0, (squared - chance) / along};
    return along > 0.0;
}

ptrdiff_t ncs_find_lags(const ncs_motion *t)
{
    ptrdiff_t found = 0, n;
    int64_t cluster = -1;
    while ((n = next(t, &cluster)) > 0 && cluster >= 0)
        if (n >= t->least)
            found += find_lag(t, cluster, n, t->lags + found);
    return found;
}
