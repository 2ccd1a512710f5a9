#include "histogram.h"

#include "unit.h"

#define FARTHEST 1e6 /* standardised; beyond it all is equally far */
#define TINY 1e-300

static double clamped(double z)
{
    z = z > -FARTHEST ? z : -FARTHEST;
    return z < FARTHEST ? z : FARTHEST;
}

ptrdiff_t ncs_cell(const ncs_histogram *in, const double *point, double *z)
{
    const ptrdiff_t d = in->dimension;
    double away = 0.0;
    if (in->unit) {
        ncs_unit_vector(point, d, z);
        point = z;
    }
    for (ptrdiff_t j = 0; j < d; j++)
        z[j] = clamped((point[j] - in->shift[j]) * in->scale[j]);
    int64_t node = 1;
    for (int level = 0; level < NCS_DEPTH; level++)
        node = 2 * node + (z[in->feature[node]] > in->cut[node]);
    node -= NCS_BOXES;
    for (ptrdiff_t j = 0; j < d; j++) {
        double gap = z[j] - (double)in->middle[j * NCS_BOXES + node];
        away += gap * gap;
    }
    return 2 * node + (away > in->reach[node]);
}

/* One pair over `count` cells; with n and m points in all. */
static void compare(const double *first, const double *second, int count, double n,
                    double m, double *told)
{
    double squares = 0.0, few = 0.0;
    int filled = 0;
    for (int i = 0; i < count; i++) {
        double both = first[i] + second[i];
        if (both > 0.0) {
            double part = 1.0 / both;
            squares += first[i] * first[i] * part;
            few += part;
            filled++;
        }
    }
    double whole = (n + m) / n * (n + m) / m;
    double freedom = filled > 2 ? filled - 1.0 : 1.0;
    double sparse = 1.0 + 0.5 * (whole - 6.0) * few / freedom;
    told[0] = whole * (squares - n * n / (n + m)) / freedom;
    told[2 * NCS_PAIRS] = freedom;
    told[4 * NCS_PAIRS] = freedom / (sparse > 1.0 ? sparse : 1.0);
}

void ncs_chi_squares(const double *past, const int32_t *recent, double *told)
{
    const int32_t *oldest = recent, *before = oldest + NCS_ALL_CELLS;
    const int32_t *last = before + NCS_ALL_CELLS;
    double rows[5][NCS_ALL_CELLS]; /* last, the last three, past, the one before, its one */
    for (int i = 0; i < NCS_ALL_CELLS; i++) {
        rows[0][i] = last[i];
        rows[1][i] = (double)oldest[i] + before[i] + last[i];
        rows[2][i] = past[i];
        rows[3][i] = before[i];
        rows[4][i] = oldest[i];
    }
    static const int first[NCS_PAIRS] = {0, 1, 0, 0}, second[NCS_PAIRS] = {2, 2, 3, 4};
    for (int pair = 0; pair < NCS_PAIRS; pair++) {
        const double *a = rows[first[pair]], *b = rows[second[pair]];
        double n = 0.0, m = 0.0;
        for (int i = 0; i < NCS_CELLS; i++) {
            n += a[i];
            m += b[i];
        }
        n += TINY;
        m += TINY;
        compare(a, b, NCS_CELLS, n, m, told + pair);
        compare(a + NCS_CELLS, b + NCS_CELLS, NCS_COARSE, n, m, told + NCS_PAIRS + pair);
    }
}
