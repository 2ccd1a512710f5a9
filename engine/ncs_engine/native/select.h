/* The k-th least of some numbers, without sorting them all. */
#ifndef NCS_SELECT_H
#define NCS_SELECT_H

#include <stddef.h>

/* Return the k-th least value, from 0. Those before place k are not larger afterwards.
 *
 * INOUT values  double (count), no NaN, reordered
 */
double ncs_select(double *values, ptrdiff_t count, ptrdiff_t k);

/* Return the median, as quantiles.median does.
 *
 * INOUT values  double (count), no NaN, count >= 1, reordered
 */
double ncs_median(double *values, ptrdiff_t count);

/* Return the 0.75 quantile, as quantiles.upper_quartile does; else as `ncs_median`. */
double ncs_upper_quartile(double *values, ptrdiff_t count);

#endif
