/* The nearest by way of a coarse copy: rough distances tell which few can be it.

   With u = 2^-24 a coarse coordinate is off by u |c| at most, so a rough distance by
   E <= 2.1 u (|c| + |z|), besides (d + 5) u of its own square for the arithmetic. With r
   the least rough distance, the nearest is within 1.001 r + E, and no centre as near as
   that has |c| > |z| + 1.001 r + E. So E <= 8 u (|z| + r) for the nearest as for
   the one at r, and the rough distance of the nearest is at most r + 2 E, and some of
   its square. What float underflows to is off by 2^-149 at most. */
#include "nearest.h"

#include <math.h>

#include "clones.h"
#include "distances.h"

#define U 0x1p-24
#define MOST 16     /* more than that may be it: look at all */
#define VAST 1e30   /* squares beyond are not for floats */

ncs_finder ncs_finder_of(const double *centres, ptrdiff_t dimension,
                         ptrdiff_t capacity, ptrdiff_t count, float *floats)
{
    ncs_finder f = {dimension, capacity, centres, floats, floats + dimension * capacity};
    for (ptrdiff_t j = 0; j < dimension; j++)
        for (ptrdiff_t i = 0; i < count; i++)
            f.coarse[j * capacity + i] = (float)centres[j * capacity + i];
    return f;
}

void ncs_finder_follow(const ncs_finder *f, ptrdiff_t index)
{
    for (ptrdiff_t j = 0; j < f->dimension; j++)
        f->coarse[j * f->capacity + index] = (float)f->centres[j * f->capacity + index];
}

/* Work out the rough distances, squared; return the least. */
NCS_CLONES
static float measure(const ncs_finder *f, ptrdiff_t count, const double *z)
{
    float *restrict rough = f->rough, lane[NCS_ABREAST], least = INFINITY;
    for (ptrdiff_t i = 0; i < count; i++)
        rough[i] = 0.0f;
    for (ptrdiff_t j = 0; j < f->dimension; j++) {
        const float *row = f->coarse + j * f->capacity;
        const float here = (float)z[j];
        for (ptrdiff_t i = 0; i < count; i++) {
            float gap = row[i] - here;
            rough[i] += gap * gap;
        }
    }
    for (int t = 0; t < NCS_ABREAST; t++)
        lane[t] = INFINITY;
    ptrdiff_t i = 0;
    for (; i + NCS_ABREAST <= count; i += NCS_ABREAST)
        for (int t = 0; t < NCS_ABREAST; t++)
            lane[t] = rough[i + t] < lane[t] ? rough[i + t] : lane[t];
    for (; i < count; i++)
        least = rough[i] < least ? rough[i] : least;
    for (int t = 0; t < NCS_ABREAST; t++)
        least = lane[t] < least ? lane[t] : least;
    return least;
}

/* List what is roughly within `limit`, up to MOST + 1; return how many. */
NCS_CLONES
static int list(const float *rough, ptrdiff_t count, float limit, ptrdiff_t *found)
{
    int listed = 0;
    for (ptrdiff_t from = 0; from < count; from += NCS_ABREAST) {
        ptrdiff_t to = from + NCS_ABREAST;
        int any = to > count;
        if (to <= count)
            for (int t = 0; t < NCS_ABREAST; t++)
                any |= rough[from + t] <= limit;
        for (ptrdiff_t i = from; any && i < to && i < count; i++)
            if (rough[i] <= limit) {
                found[listed++] = i;
                if (listed > MOST)
                    return listed;
            }
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
    double r = sqrt(measure(f, count, z)), off = 8.0 * U * (sqrt(norm) + r);
    double limit = (r + 2.0 * off) * (r + 2.0 * off);
    limit += limit * 4.0 * U * (double)(f->dimension + 9);
    limit += 0x1p-147 * (double)f->dimension;
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
