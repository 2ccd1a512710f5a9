#include "microclusters.h"

#include <math.h>
#include <string.h>

/* Return where the id is among rising ones, or -1. */
static ptrdiff_t find(const int64_t *ids, ptrdiff_t count, int64_t id)
{
    ptrdiff_t low = 0, high = count;
    while (low < high) {
        ptrdiff_t middle = low + (high - low) / 2;
        if (ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ids[low] == id ? low : -1;
}

void ncs_geometry(const ncs_micro *micro, const int64_t *ids, ptrdiff_t clusters,
                  double *centroids, double *variances, double *share,
                  ptrdiff_t *place)
{
    ptrdiff_t d = micro->dimension;
    double *total = share + micro->count;
    memset(total, 0, clusters * sizeof *total);
    memset(centroids, 0, clusters * d * sizeof *centroids);
    memset(variances, 0, clusters * d * sizeof *variances);
    for (ptrdiff_t i = 0; i < micro->count; i++) {
        place[i] = find(ids, clusters, micro->label[i]);
        if (place[i] >= 0)
            total[place[i]] += micro->weight[i];
    }
    for (ptrdiff_t i = 0; i < micro->count; i++)
        share[i] = place[i] < 0 ? 0.0 : micro->weight[i] / total[place[i]];
    for (ptrdiff_t j = 0; j < d; j++) {
        const double *centre = micro->centres + j * micro->capacity;
        const double *spread = micro->spread + j * micro->capacity;
        for (ptrdiff_t i = 0; i < micro->count; i++)
            if (place[i] >= 0)
                centroids[place[i] * d + j] += centre[i] * share[i];
        for (ptrdiff_t i = 0; i < micro->count; i++)
            if (place[i] >= 0) {
                double off = centre[i] - centroids[place[i] * d + j];
                variances[place[i] * d + j] += (off * off + spread[i]) * share[i];
            }
    }
}

/* The root mean square distance of a cluster's points to its centroid. */
static double radius(const double *variances, ptrdiff_t d)
{
    double sum = 0.0;
    for (ptrdiff_t j = 0; j < d; j++)
        sum += variances[j];
    return sqrt(sum);
}

static double squared_distance(const double *a, const double *b, ptrdiff_t d)
{
    double sum = 0.0;
    for (ptrdiff_t j = 0; j < d; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

void ncs_qualities(const double *centroids, const double *variances, ptrdiff_t clusters,
                   ptrdiff_t d, double *quality)
{
    for (ptrdiff_t a = 0; a < clusters; a++)
        quality[a] = INFINITY;
    for (ptrdiff_t a = 0; a < clusters; a++)
        for (ptrdiff_t b = 0; b < a; b++) {
            double squared = squared_distance(centroids + a * d, centroids + b * d, d);
            quality[a] = squared < quality[a] ? squared : quality[a];
            quality[b] = squared < quality[b] ? squared : quality[b];
        }
    for (ptrdiff_t a = 0; a < clusters; a++) {
        double own = radius(variances + a * d, d), other = sqrt(quality[a]);
        double larger = other > own ? other : own;
        double ratio = larger > 0.0 ? (other - own) / larger : 1.0;
        quality[a] = ratio > 0.0 ? ratio : 0.0;
    }
    if (clusters == 1)
        quality[0] = 0.5;
}
