#include "distances.h"

#include <math.h>

#include "bits.h"
#include "clones.h"
#include "select.h"

#define SQUARE 8

/* Sums of a tile of centres stay in registers. */
NCS_CLONES
void ncs_squared_distances(const double *centres, ptrdiff_t dimension,
                           ptrdiff_t capacity, ptrdiff_t count, const double *z,
                           double *restrict squared)
{
    ptrdiff_t from = 0;
    for (; from + NCS_ABREAST <= count; from += NCS_ABREAST) {
        double sum[NCS_ABREAST] = {0};
        for (ptrdiff_t j = 0; j < dimension; j++) {
            const double *row = centres + j * capacity + from;
            for (int t = 0; t < NCS_ABREAST; t++)
                sum[t] += (row[t] - z[j]) * (row[t] - z[j]);
        }
        for (int t = 0; t < NCS_ABREAST; t++)
            squared[from + t] = sum[t];
    }
    for (ptrdiff_t i = from; i < count; i++)
        squared[i] = 0.0;
    for (ptrdiff_t j = 0; j < dimension; j++) {
        const double *row = centres + j * capacity;
        for (ptrdiff_t i = from; i < count; i++)
            squared[i] += (row[i] - z[j]) * (row[i] - z[j]);
    }
}

/* The least value first, a candidate per lane: a single one would make every comparison
 * wait for the last. Then where it is; carrying places along took twice as long. */
NCS_CLONES
ptrdiff_t ncs_argmin(const double *values, ptrdiff_t count)
{
    double lane[NCS_ABREAST];
    for (int t = 0; t < NCS_ABREAST; t++)
        lane[t] = INFINITY;
    ptrdiff_t i = 0;
    for (; i + NCS_ABREAST <= count; i += NCS_ABREAST)
        for (int t = 0; t < NCS_ABREAST; t++)
            lane[t] = values[i + t] < lane[t] ? values[i + t] : lane[t];
    for (; i < count; i++)
        lane[0] = values[i] < lane[0] ? values[i] : lane[0];
    for (int half = NCS_ABREAST / 2; half > 0; half /= 2)
        for (int t = 0; t < half; t++)
            lane[t] = lane[t + half] < lane[t] ? lane[t + half] : lane[t];
    const double least = lane[0];
    uint64_t bit[NCS_ABREAST];
    for (int t = 0; t < NCS_ABREAST; t++)
        bit[t] = (uint64_t)1 << t;
    for (i = 0; i + NCS_ABREAST <= count; i += NCS_ABREAST) {
        uint64_t found = 0;
        for (int t = 0; t < NCS_ABREAST; t++)
            found |= bit[t] & (0 - (uint64_t)(values[i + t] == least));
        if (found)
            return i + ncs_lowest(found);
    }
    for (; i < count; i++)
        if (values[i] == least)
            return i;
    return count > 0 ? 0 : -1;
}

void ncs_mirror(double *squared, ptrdiff_t stride, ptrdiff_t count)
{
    for (ptrdiff_t from = 0; from < count; from += SQUARE) /* they stay in the cache */
        for (ptrdiff_t i = from + 1; i < count; i++) {
            ptrdiff_t to = i < from + SQUARE ? i : from + SQUARE;
            for (ptrdiff_t j = from; j < to; j++)
                squared[i * stride + j] = squared[j * stride + i];
        }
}

void ncs_pairwise(const double *centres, ptrdiff_t dimension, ptrdiff_t capacity,
                  ptrdiff_t count, double *scratch, double *squared)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        for (ptrdiff_t j = 0; j < dimension; j++)
            scratch[j] = centres[j * capacity + i];
        ncs_squared_distances(centres + i, dimension, capacity, count - i, scratch,
                              squared + i * count + i);
    }
    ncs_mirror(squared, count, count);
}

/* Put a value in its place among the k + 1 least, which rise. */
NCS_INLINE void insert(double value, double *least, ptrdiff_t k)
{
    ptrdiff_t t = k;
    for (; t > 0 && least[t - 1] > value; t--)
        least[t] = least[t - 1];
    least[t] = value;
}

/* Put the values up to a limit among the k + 1 least. */
NCS_CLONES
static void insert_all(const double *values, ptrdiff_t count, double limit, double *least,
                       ptrdiff_t k)
{
    uint32_t bit[NCS_ABREAST];
    for (int t = 0; t < NCS_ABREAST; t++)
        bit[t] = (uint32_t)1 << t;
    ptrdiff_t i = 0;
    for (; i + NCS_ABREAST <= count; i += NCS_ABREAST) {
        uint32_t set = 0;
        for (int t = 0; t < NCS_ABREAST; t++)
            set |= bit[t] & (0 - (uint32_t)(values[i + t] <= limit));
        for (; set; set &= set - 1) {
            double value = values[i + ncs_lowest(set)];
            if (value < least[k])
                insert(value, least, k);
        }
    }
    for (; i < count; i++)
        if (values[i] < least[k])
            insert(values[i], least, k);
}

/* Return the k-th least value; of the least of NCS_ABREAST parts it is not less, and few
 * values are below that. */
NCS_CLONES
static double kth_least(const double *values, ptrdiff_t count, ptrdiff_t k,
                        double *least)
{
    double lane[NCS_ABREAST], limit = INFINITY;
    for (int t = 0; t < NCS_ABREAST; t++)
        lane[t] = INFINITY;
    for (ptrdiff_t i = 0; i + NCS_ABREAST <= count; i += NCS_ABREAST)
        for (int t = 0; t < NCS_ABREAST; t++)
            lane[t] = values[i + t] < lane[t] ? values[i + t] : lane[t];
    if (k < NCS_ABREAST)
        limit = ncs_select(lane, NCS_ABREAST, k);
    for (ptrdiff_t t = 0; t <= k; t++)
        least[t] = INFINITY;
    insert_all(values, count, limit, least, k);
    return least[k];
}

void ncs_neighbours(const double *columns, ptrdiff_t dimension, ptrdiff_t count,
                    ptrdiff_t every, ptrdiff_t k, double *scratch, double *squared)
{
    double *z = scratch, *row = z + dimension, *least = row + count;
    for (ptrdiff_t i = 0; i < count; i += every) {
        for (ptrdiff_t j = 0; j < dimension; j++)
            z[j] = columns[j * count + i];
        ncs_squared_distances(columns, dimension, count, count, z, row);
        squared[i / every] = kth_least(row, count, k, least);
    }
}
