/* Points at length 1; see standardizer.py. */
#ifndef NCS_UNIT_H
#define NCS_UNIT_H

#include <math.h>
#include <stddef.h>

/* Bring a vector to length 1; zeros stay zeros. IN raw, OUT z, double (d). */
static inline void ncs_unit_vector(const double *raw, ptrdiff_t d, double *z)
{
    double norm = 0.0;
    for (ptrdiff_t j = 0; j < d; j++)
        norm += raw[j] * raw[j];
    norm = sqrt(norm);
    for (ptrdiff_t j = 0; j < d; j++)
        z[j] = norm > 0.0 ? raw[j] / norm : 0.0;
}

#endif
