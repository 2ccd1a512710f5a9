/* The nearest by way of a coarse copy: rough distances tell which few can be it.

   With u = 2^-24 a coarse coordinate is off by u |c| at most, so a rough distance by
   E <= 2.1 u (|c| + |z|), and its square by (d + 5) u of itself for the arithmetic. With
   r the least rough distance, the nearest is within 1.001 r + E, and no centre that near
   has |c| > |z| + 1.001 r + E. So E <= 8 u (|z| + r) for the nearest and for the one at
   r, and the rough distance of the nearest is at most r + 2 E, and a little for the
   arithmetic. What floats underflow to is off by 2^-149 at most. */
#include "nearest.h"

#include <math.h>

#include "bits.h"
#include "clones.h"
#include "distances.h"
#include "room.h"

#define U (1.0 / (1 << 24))
#define LEAST 1.4e-45 /* float above 0 */
#define MOST 16     /* more than that may be it: look at all */
#define VAST 1e30   /* squares beyond are not for floats */

ncs_finder ncs_finder_of(const double *centres, ptrdiff_t dimension,
                         ptrdiff_t capacity, ptrdiff_t count, float *floats)
{
    size_t over = (uintptr_t)floats % NCS_ROOM_LINE;
    float *coarse = floats + (over ? (NCS_ROOM_LINE - over) / sizeof(float) : 0);
    ptrdiff_t tiles = (capacity + NCS_TILE - 1) / NCS_TILE;
    float *rough = coarse + tiles * NCS_TILE * dimension;
    ncs_finder f = {dimension, capacity, centres,
                    coarse,    rough,    rough + tiles * NCS_TILE};
    for (ptrdiff_t from = 0; from < tiles * NCS_TILE; from += NCS_TILE)
        for (ptrdiff_t j = 0; j < dimension; j++, coarse += NCS_TILE) {
            const double *row = centres + j * capacity + from;
            ptrdiff_t left = count - from, n = left < NCS_TILE ? left : NCS_TILE;
            for (ptrdiff_t t = 0; t < n; t++)
                coarse[t] = (float)row[t];
            for (ptrdiff_t t = n > 0 ? n : 0; t < NCS_TILE; t++)
                coarse[t] = INFINITY;
        }
    return f;
}

void ncs_finder_follow(const ncs_finder *f, ptrdiff_t index)
{
    ptrdiff_t tile = index / NCS_TILE;
    float *column = f->coarse + tile * f->dimension * NCS_TILE + index % NCS_TILE;
    for (ptrdiff_t j = 0; j < f->dimension; j++)
        column[j * NCS_TILE] = (float)f->centres[j * f->capacity + index];
}

/* Work out the rough distances, squared; return the least. */
NCS_CLONES
static float measure(const ncs_finder *f, ptrdiff_t count)
{
    float lane[NCS_TILE];
    for (int t = 0; t < NCS_TILE; t++)
        lane[t] = INFINITY;
    for (ptrdiff_t from = 0; from < count; from += NCS_TILE) {
        const float *tile = f->coarse + from * f->dimension, *z = f->z;
        float sum[NCS_TILE] = {0}, *restrict rough = f->rough + from;
        for (ptrdiff_t j = 0; j < f->dimension; j++)
            for (int t = 0; t < NCS_TILE; t++) {
                float gap = tile[j * NCS_TILE + t] - z[j];
                sum[t] += gap * gap;
            }
        for (int t = 0; t < NCS_TILE; t++) {
            rough[t] = sum[t];
            lane[t] = sum[t] < lane[t] ? sum[t] : lane[t];
        }
    }
    for (int half = NCS_TILE / 2; half > 0; half /= 2)
        for (int t = 0; t < half; t++)
            lane[t] = lane[t + half] < lane[t] ? lane[t + half] : lane[t];
    return lane[0];
}

/* List what is roughly within `limit`, up to MOST + 1; return how many. */
NCS_CLONES
static int list(const float *rough, ptrdiff_t count, float limit, ptrdiff_t *found)
{
    uint32_t bit[32];
    int listed = 0;
    for (int t = 0; t < 32; t++)
        bit[t] = (uint32_t)1 << t;
    for (ptrdiff_t from = 0; from < count; from += 32) {
        uint32_t set = 0;
        for (int t = 0; t < 32; t++)
            set |= bit[t] & (0 - (uint32_t)(rough[from + t] <= limit));
        for (; set && listed <= MOST; set &= set - 1)
            found[listed++] = from + ncs_lowest(set);
    }
    return listed;
}

static double exact(const ncs_finder *f, ptrdiff_t index, const double *z)
{
    double sum = 0.0;
    for (ptrdiff_t j = 0; j < f->dimension; j++) {
        double gap = f->centres[j * f->capacity + index] - z[j];
        sum += gap * gap;
    }
    return sum;
}

ptrdiff_t ncs_find_nearest(const ncs_finder *f, ptrdiff_t count, const double *z,
                           double norm, double *squared, double *all)
{
    ptrdiff_t found[MOST + 1], best = -1;
    for (ptrdiff_t j = 0; j < f->dimension; j++)
        f->z[j] = (float)z[j];
    double r = sqrt(measure(f, count)), off = 8.0 * U * (sqrt(norm) + r);
    double limit = (r + 2.0 * off) * (r + 2.0 * off);
    limit += limit * 4.0 * U * (double)(f->dimension + 9);
    limit += 4.0 * LEAST * (double)f->dimension;
    int few = limit < VAST ? list(f->rough, count, (float)limit, found) : MOST + 1;
    if (few > MOST) {
        ncs_squared_distances(f->centres, f->dimension, f->capacity, count, z, all);
        best = ncs_argmin(all, count);
        *squared = best < 0 ? INFINITY : all[best];
        return best;
    }
    for (int i = 0; i < few; i++) {
        double gap = exact(f, found[i], z);
        if (best < 0 || gap < *squared) {
            *squared = gap;
            best = found[i];
        }
    }
    return best;
}

void ncs_nearest(const double *centres, ptrdiff_t dimension, ptrdiff_t capacity,
                 ptrdiff_t count, const double *points, ptrdiff_t n, float *floats,
                 double *scratch, int64_t *nearest)
{
    ncs_finder f = ncs_finder_of(centres, dimension, capacity, count, floats);
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *z = points + i * dimension;
        double norm = 0.0, squared;
        for (ptrdiff_t j = 0; j < dimension; j++)
            norm += z[j] * z[j];
        nearest[i] = ncs_find_nearest(&f, count, z, norm, &squared, scratch);
    }
}
