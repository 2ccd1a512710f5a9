#include "microclusters.h"

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
                  double *centroids, double *variances, double *total,
                  ptrdiff_t *place)
{
    ptrdiff_t d = micro->dimension;
    memset(total, 0, clusters * sizeof *total);
    memset(centroids, 0, clusters * d * sizeof *centroids);
    memset(variances, 0, clusters * d * sizeof *variances);
    for (ptrdiff_t i = 0; i < micro->count; i++) {
        place[i] = find(ids, clusters, micro->label[i]);
        if (place[i] >= 0)
            total[place[i]] += micro->weight[i];
    }
    for (ptrdiff_t j = 0; j < d; j++) {
        const double *centre = micro->centres + j * micro->capacity;
        const double *spread = micro->spread + j * micro->capacity;
        for (ptrdiff_t i = 0; i < micro->count; i++) {
            if (place[i] < 0)
                continue;
            double share = micro->weight[i] / total[place[i]];
            centroids[place[i] * d + j] += centre[i] * share;
        }
        for (ptrdiff_t i = 0; i < micro->count; i++) {
            if (place[i] < 0)
                continue;
            double share = micro->weight[i] / total[place[i]];
            double off = centre[i] - centroids[place[i] * d + j];
            variances[place[i] * d + j] += (off * off + spread[i]) * share;
        }
    }
}
