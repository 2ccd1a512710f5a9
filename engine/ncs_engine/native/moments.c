#include "moments.h"

#include <math.h>

#include "clones.h"
#include "select.h"

#define WINSOR 10.0
#define MAD_TO_SIGMA 1.4826
#define CONSTANT_BELOW 2e-7
#define TINY 1e-150

NCS_CLONES
static void clamp(double low, double high, ptrdiff_t n, double *values)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double v = values[i] > low ? values[i] : low;
        values[i] = v < high ? v : high;
    }
}

/* Mean and variance of one feature, whose values are used up. */
static double take(double *values, ptrdiff_t n, double *scratch, double *var)
{
    for (ptrdiff_t i = 0; i < n; i++)
        scratch[i] = values[i];
    double middle = ncs_median(scratch, n), sum = 0.0, squares = 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        scratch[i] = fabs(values[i] - middle);
    double reach = WINSOR * MAD_TO_SIGMA * ncs_median(scratch, n);
    if (reach != 0.0)
        clamp(middle - reach, middle + reach, n, values);
    for (ptrdiff_t i = 0; i < n; i++)
        sum += values[i];
    double mean = sum / n;
    for (ptrdiff_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    *var = squares / n;
    return mean;
}

void ncs_observe(const double *block, ptrdiff_t n, ptrdiff_t d, double kept, double *mean,
                 double *var, double *scratch)
{
    double count = (double)n, total = kept + count, *values = scratch + n;
    for (ptrdiff_t j = 0; j < d; j++) {
        double own;
        for (ptrdiff_t i = 0; i < n; i++)
            values[i] = block[i * d + j];
        double delta = take(values, n, scratch, &own) - mean[j];
        double between = delta * delta * (kept * count / total);
        var[j] = (kept * var[j] + count * own + between) / total;
        mean[j] += delta * (count / total);
    }
}

void ncs_move(const double *mean, const double *var, ptrdiff_t d, double *shift,
              double *scale, double *factor, double *offset)
{
    for (ptrdiff_t j = 0; j < d; j++) {
        double spread = sqrt(var[j]), before = scale[j];
        int constant = spread <= CONSTANT_BELOW * fabs(mean[j]);
        scale[j] = !constant && spread > TINY ? 1.0 / spread : 0.0;
        factor[j] = before > 0.0 ? scale[j] / before : 0.0;
        offset[j] = (shift[j] - mean[j]) * scale[j];
        shift[j] = mean[j];
    }
}
