#include "histogram.h"

#define TINY 1e-300
#define ALL (NCS_CELLS + NCS_COARSE)

static double clamped(double z, double farthest)
{
    z = z > -farthest ? z : -farthest;
    return z < farthest ? z : farthest;
}

void ncs_cells(const ncs_histogram *in, const double *points, ptrdiff_t n,
               double *scratch, int64_t *cell)
{
    const ptrdiff_t d = in->dimension;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double *point = points + i * d;
        for (ptrdiff_t j = 0; j < d; j++)
            scratch[j] = clamped((point[j] - in->shift[j]) * in->scale[j], in->farthest);
        int64_t node = 1;
        for (int level = 0; level < NCS_DEPTH; level++)
            node = 2 * node + (scratch[in->feature[node]] > in->cut[node]);
        node -= NCS_BOXES;
        double away = 0.0;
        for (ptrdiff_t j = 0; j < d; j++) {
            double gap = scratch[j] - (double)in->middle[j * NCS_BOXES + node];
            away += gap * gap;
        }
        cell[i] = 2 * node + (away > in->reach[node]);
    }
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
    const int32_t *oldest = recent, *before = recent + ALL, *last = recent + 2 * ALL;
    double rows[5][ALL]; /* last, the last three, past, the one before, its one */
    for (int i = 0; i < ALL; i++) {
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
