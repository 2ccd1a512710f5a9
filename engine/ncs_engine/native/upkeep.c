#include "upkeep.h"

#include <math.h>

#include "clones.h"

/* Every value is written; the place only goes on where it is kept. */
#define SQUEEZE(values)                                                                \
    for (ptrdiff_t i = 0, to = 0; i < count; i++) {                                    \
        (values)[to] = (values)[i];                                                    \
        to += mask[i] != 0;                                                            \
    }

void ncs_keep(ncs_micro *micro, const uint8_t *mask)
{
    ptrdiff_t count = micro->count, kept = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        kept += mask[i] != 0;
    if (kept == count)
        return;
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        SQUEEZE(micro->centres + j * micro->capacity)
        SQUEEZE(micro->spread + j * micro->capacity)
    }
    SQUEEZE(micro->weight)
    SQUEEZE(micro->points)
    SQUEEZE(micro->label)
    SQUEEZE(micro->seen)
    micro->count = kept;
}

NCS_CLONES
void ncs_remap(const ncs_micro *micro, const double *factor, const double *offset)
{
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        double *restrict centre = micro->centres + j * micro->capacity;
        double *restrict spread = micro->spread + j * micro->capacity;
        double f = factor[j], o = offset[j], square = f * f;
        for (ptrdiff_t i = 0; i < micro->count; i++) {
            centre[i] = centre[i] * f + o;
            spread[i] *= square;
        }
    }
}

void ncs_forget(ncs_micro *micro, const ncs_forgetting *by, uint8_t *mask)
{
    double total = 0.0;
    for (ptrdiff_t i = 0; i < micro->count; i++) {
        micro->weight[i] *= by->faded;
        total += micro->weight[i];
    }
    total = total > 1.0 ? total : 1.0;
    for (ptrdiff_t i = 0; i < micro->count; i++) {
        double share = micro->weight[i] / total, most = (double)by->since * share;
        double gaps = (double)(by->learned - micro->seen[i]) * share - by->patience;
        gaps = gaps < most ? gaps : most;
        if (gaps > 0.0)
            micro->weight[i] *= pow(0.5, gaps);
        mask[i] = micro->weight[i] >= by->least;
    }
    ncs_keep(micro, mask);
}
