/* Squared distances to centres that are kept dimension-major, (d, capacity).
 *
 * Every sum runs over the features in their order, whatever the width of the vectors.
 */
#ifndef NCS_DISTANCES_H
#define NCS_DISTANCES_H

#include <stddef.h>
#include <stdint.h>

/* Work out the squared distance of a point to each of the first `count` centres.
 *
 * IN  centres    double (dimension, capacity)
 * IN  z          double (dimension)
 * OUT squared    double (count)
 */
void ncs_squared_distances(const double *centres, ptrdiff_t dimension,
                           ptrdiff_t capacity, ptrdiff_t count, const double *z,
                           double *restrict squared);

/* Return the index of the least value, the first of equals; -1 of none.
 *
 * IN  values     double (count), no NaN
 */
ptrdiff_t ncs_argmin(const double *values, ptrdiff_t count);

/* Copy what is right of the diagonal to the left of it.
 *
 * INOUT squared  double (count, stride)
 */
void ncs_mirror(double *squared, ptrdiff_t stride, ptrdiff_t count);

/* Work out the squared distances between all pairs of the first `count` centres; that
 * of two is the same either way.
 *
 * IN  centres    double (dimension, capacity)
 * IN  scratch    double (dimension)
 * OUT squared    double (count, count)
 */
void ncs_pairwise(const double *centres, ptrdiff_t dimension, ptrdiff_t capacity,
                  ptrdiff_t count, double *scratch, double *squared);

/* Work out of every `every`th point the squared distance to its k-th nearest; it is its
 * own nearest, k = 0.
 *
 * IN  columns   double (dimension, count)
 * IN  scratch   double (dimension + count + k + 1)
 * OUT squared   double ((count + every - 1) / every)
 */
void ncs_neighbours(const double *columns, ptrdiff_t dimension, ptrdiff_t count,
                    ptrdiff_t every, ptrdiff_t k, double *scratch, double *squared);

#endif
