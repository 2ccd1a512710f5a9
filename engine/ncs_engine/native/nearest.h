/* The nearest of many centres, by way of a coarse copy of them. */
#ifndef NCS_NEAREST_H
#define NCS_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#define NCS_TILE 64

/* Centres in single precision: half the work, and good enough to say which of them can
 * be the nearest at all. */
typedef struct {
    ptrdiff_t dimension, capacity;
    const double *centres; /* (dimension, capacity) */
    float *coarse;         /* (tiles, dimension, NCS_TILE); infinite where none is */
    float *rough;          /* scratch (tiles, NCS_TILE) */
    float *z;              /* scratch (dimension) */
} ncs_finder;

/* How many floats a finder needs, with a line of the cache to begin with one. */
static inline size_t ncs_finder_floats(ptrdiff_t dimension, ptrdiff_t capacity)
{
    size_t tiles = ((size_t)capacity + NCS_TILE - 1) / NCS_TILE;
    return (dimension + 1) * tiles * NCS_TILE + dimension + 16;
}

/* INOUT floats  ncs_finder_floats of them, which the finder goes on using */
ncs_finder ncs_finder_of(const double *centres, ptrdiff_t dimension,
                         ptrdiff_t capacity, ptrdiff_t count, float *floats);

/* Follow a centre that has moved. */
void ncs_finder_follow(const ncs_finder *finder, ptrdiff_t index);

/* Return the nearest of the first `count` centres, the first of equals; -1 of none.
 *
 * The answer and its distance are, to the bit, those of ncs_squared_distances and
 * ncs_argmin.
 *
 * IN  z        double (dimension)
 * IN  norm     sum of its squares
 * OUT squared  double (1), its squared distance
 * OUT all      double (count), scratch
 */
ptrdiff_t ncs_find_nearest(const ncs_finder *finder, ptrdiff_t count, const double *z,
                           double norm, double *squared, double *all);

/* Find the nearest of the first `count` centres for each point, the first of equals.
 *
 * IN  centres  double (dimension, capacity)
 * IN  points   double (n, dimension)
 * OUT floats   ncs_finder_floats of them, scratch
 * OUT scratch  double (count)
 * OUT nearest  int64_t (n)
 */
void ncs_nearest(const double *centres, ptrdiff_t dimension, ptrdiff_t capacity,
                 ptrdiff_t count, const double *points, ptrdiff_t n, float *floats,
                 double *scratch, int64_t *nearest);

#endif
