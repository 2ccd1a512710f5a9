/* Mean and variance of every feature, and the mapping by them; see moments.py. */
#ifndef NCS_MOMENTS_H
#define NCS_MOMENTS_H

#include <stddef.h>

/* Let mean and variance take a block; see moments.observe.
 *
 * IN    block    double (n, d), n >= 1
 * IN    kept     how many points mean and variance stand for
 * INOUT mean     double (d)
 * INOUT var      double (d)
 * OUT   scratch  double (2 n)
 */
void ncs_observe(const double *block, ptrdiff_t n, ptrdiff_t d, double kept, double *mean,
                 double *var, double *scratch);

/* Adopt mean and variance; see moments.move. All double (d).
 *
 * IN    mean, var
 * INOUT shift, scale
 * OUT   factor, offset
 */
void ncs_move(const double *mean, const double *var, ptrdiff_t d, double *shift,
              double *scale, double *factor, double *offset);

#endif
