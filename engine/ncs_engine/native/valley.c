/* Two crowds are two modes of the density if it has a valley between them.

   The members are projected on the axis that discriminates best between the crowds
   (Fisher 1936, covariances shrunk towards a sphere). Every member is projected on the
   axis that would have come out without it: otherwise few points in many dimensions
   always look apart. The answer is the depth of the valley of a kernel density
   estimate along that axis: density in the valley / lower of the two peaks. */
#include "valley.h"
#include "clones.h"

#include <math.h>
#include <string.h>

#define GRID 32
#define FROM 6           /* places of the grid from one mean to the other */
#define TO 25
#define MARGIN 0.25      /* of the distance of the means, beyond both */
#define INFLATE 1.5      /* of variances: a tiling shall look flat */
#define NARROWEST 0.25   /* of the pooled spread: bandwidths are not taken from less */
#define ALL_BUT_ONE(mass) ((mass) > 1.5 ? (mass) - 1.0 : 0.5)
#define FINEST 0.02      /* of the distance of the means: smallest bandwidth */
#define TINY 1e-200      /* variances beyond are beyond arithmetic as well */
#define VAST 1e200

static int packed(int row, int column) { return row * (row + 1) / 2 + column; }

/* Factor the packed matrix in place, L L'; 0 if it is not positive definite. */
static int cholesky(double *a, int d)
{
    for (int j = 0; j < d; j++) {
        double pivot = a[packed(j, j)];
        for (int k = 0; k < j; k++)
            pivot -= a[packed(j, k)] * a[packed(j, k)];
        if (!(pivot > 0.0))
            return 0;
        pivot = sqrt(pivot);
        a[packed(j, j)] = pivot;
        for (int i = j + 1; i < d; i++) {
            double sum = a[packed(i, j)];
            for (int k = 0; k < j; k++)
                sum -= a[packed(i, k)] * a[packed(j, k)];
            a[packed(i, j)] = sum / pivot;
        }
    }
    return 1;
}

static void solve_lower(const double *l, double *y, int d)
{
    for (int i = 0; i < d; i++) {
        double sum = y[i];
        for (int k = 0; k < i; k++)
            sum -= l[packed(i, k)] * y[k];
        y[i] = sum / l[packed(i, i)];
    }
}

static void solve_upper(const double *l, double *y, int d)
{
    for (int i = d - 1; i >= 0; i--) {
        double sum = y[i];
        for (int k = i + 1; k < d; k++)
            sum -= l[packed(k, i)] * y[k];
        y[i] = sum / l[packed(i, i)];
    }
}

size_t ncs_valley_scratch(int m, int d, int s) { return (size_t)s + 3 * (size_t)d + 2 * (size_t)m; }

/* Pooled covariance of the two nodes, shrunk; as factor (full) or variances. */
static int pooled(const ncs_nodes *t, int a, int b, double *c)
{
    int d = t->d, s = t->s;
    double mass = t->mass[a] + t->mass[b];
    double freedom = mass > 3.0 ? mass - 2.0 : 1.0;
    const double *ca = t->scatter + (long)a * s, *cb = t->scatter + (long)b * s;
    double trace = 0.0;
    for (int i = 0; i < s; i++)
        c[i] = (ca[i] + cb[i]) / freedom;
    for (int i = 0; i < d; i++)
        trace += c[t->full ? packed(i, i) : i];
    if (!(trace > TINY && trace < VAST))
        return 0;
    double share = t->full ? d / (mass + d) : 3.0 / (mass + 3.0);
    for (int i = 0; i < s; i++)
        c[i] *= 1.0 - share;
    for (int i = 0; i < d; i++)
        c[t->full ? packed(i, i) : i] += (share + 1e-9) * trace / d;
    return t->full ? cholesky(c, d) : 1;
}

/* Discriminating axis of unit length, and what it needs; 0 if there is none. */
typedef struct {
    double *c, *axis, *inverse, *y; /* scratch */
    double length, gap, foot[2];
} direction;

static int find_axis(const ncs_nodes *t, int a, int b, direction *to)
{
    int d = t->d;
    const double *ma = t->mean + (long)a * d, *mb = t->mean + (long)b * d;
    double *axis = to->axis, squares = 0.0;
    if (!pooled(t, a, b, to->c))
        return 0;
    for (int i = 0; i < d; i++) {
        double c = to->c[t->full ? packed(i, i) : i];
        axis[i] = mb[i] - ma[i];
        to->inverse[i] = t->full ? 1.0 / (c * c) : 1.0 / c;
    }
    if (t->full) {
        solve_lower(to->c, axis, d);
        solve_upper(to->c, axis, d);
    } else
        for (int i = 0; i < d; i++)
            axis[i] *= to->inverse[i];
    for (int i = 0; i < d; i++)
        squares += axis[i] * axis[i];
    to->length = sqrt(squares);
    if (!(to->length > 0.0))
        return 0;
    to->foot[0] = to->foot[1] = 0.0;
    for (int i = 0; i < d; i++) {
        axis[i] /= to->length;
        to->foot[0] += axis[i] * ma[i];
        to->foot[1] += axis[i] * mb[i];
    }
    to->gap = to->foot[1] - to->foot[0];
    return to->gap > 0.0;
}

/* Project the members of a node; returns the mean of the projections. */
static double project(const ncs_nodes *t, int node, int side, direction *by, double *where, double *width)
{
    int d = t->d, i = t->first[node];
    const double *mean = t->mean + (long)node * d;
    double rest = ALL_BUT_ONE(t->mass[node]), sum = 0.0;
    for (int at = 0; at < t->size[node]; at++, i = t->next[i]) {
        const double *x = t->x + (long)i * d, *v = t->v + (long)i * d;
        double q = 0.0, blur = 0.0, pull = 0.0;
        for (int k = 0; k < d; k++) {
            by->y[k] = x[k] - mean[k];
            q += by->axis[k] * by->y[k];
            blur += by->axis[k] * by->axis[k] * v[k];
            pull += v[k] * by->inverse[k];
        }
        if (t->full)
            solve_lower(by->c, by->y, d);
        for (int k = 0; k < d; k++)
            pull += by->y[k] * by->y[k] * (t->full ? 1.0 : by->inverse[k]);
        pull /= rest * by->length; /* how far the member has pulled the axis */
        if (pull > by->gap)
            pull = by->gap;
        where[at] = q + by->foot[side] + (side ? -pull : pull);
        width[at] = blur * INFLATE + t->blur[i];
        sum += t->w[i] * where[at];
    }
    return sum / t->mass[node];
}

static double variance(const ncs_nodes *t, int node, const double *where, const double *width, double centre)
{
    double sum = 0.0;
    int i = t->first[node];
    for (int at = 0; at < t->size[node]; at++, i = t->next[i])
        sum += t->w[i] * ((where[at] - centre) * (where[at] - centre) + width[at]);
    return sum / ALL_BUT_ONE(t->mass[node]);
}

/* Add the node's density, with kernels (1 - u^2 / 16)^8: near a Gaussian, but finite. */
NCS_CLONES
static void add_density(const ncs_nodes *t, int node, const double *where, const double *width, double h, double low, double step, double *f)
{
    int i = t->first[node];
    for (int at = 0; at < t->size[node]; at++, i = t->next[i]) {
        double reach = 16.0 * (width[at] + h * h), over = 1.0 / reach;
        double height = t->w[i] / sqrt(reach), from = low - where[at];
        for (int g = 0; g < GRID; g++) {
            double u = from + step * g, k = 1.0 - u * u * over;
            k = k > 0.0 ? k : 0.0;
            k *= k;
            k *= k;
            f[g] += height * (k * k);
        }
    }
}

/* The lowest share of the lower of the peaks to the left and to the right. */
static double deepest(const double *f)
{
    double right[GRID], peak = 0.0, best = 1.0;
    for (int g = GRID - 1; g >= 0; g--) {
        peak = f[g] > peak ? f[g] : peak;
        right[g] = peak;
    }
    peak = 0.0;
    for (int g = 0; g < GRID; g++) {
        peak = f[g] > peak ? f[g] : peak;
        double lower = peak < right[g] ? peak : right[g];
        if (g >= FROM && g <= TO && lower > 0.0 && f[g] < best * lower)
            best = f[g] / lower;
    }
    return best;
}

double ncs_valley(const ncs_nodes *t, int a, int b)
{
    int d = t->d;
    double *c = t->scratch, *axis = c + t->s;
    double *where = axis + 3 * d, *width = where + t->m, f[GRID] = {0};
    direction by = {c, axis, axis + d, axis + 2 * d, 0.0, 0.0, {0.0, 0.0}};
    if (!find_axis(t, a, b, &by))
        return 1.0;

    double *where_b = where + t->size[a], *width_b = width + t->size[a];
    double left = project(t, a, 0, &by, where, width);
    double apart = project(t, b, 1, &by, where_b, width_b) - left;
    if (!(apart > 0.0))
        return 1.0;
    double ma = t->mass[a], mb = t->mass[b], fewer = ma < mb ? ma : mb;
    double va = variance(t, a, where, width, left);
    double vb = variance(t, b, where_b, width_b, left + apart);
    double sd = sqrt(va < vb ? va : vb), both = sqrt((va * ma + vb * mb) / (ma + mb));
    if (sd < NARROWEST * both)
        sd = NARROWEST * both;
    /* Silverman 1986, for each side; wider in few dimensions, where Ward cuts at gaps. */
    double h = (1.0 + 1.0 / ((double)d * d)) * sd * pow(fewer > 1.0 ? fewer : 1.0, -0.2);
    if (h < FINEST * apart)
        h = FINEST * apart;

    double low = left - MARGIN * apart, step = (1.0 + 2.0 * MARGIN) * apart / (GRID - 1);
    add_density(t, a, where, width, h, low, step, f);
    add_density(t, b, where_b, width_b, h, low, step, f);
    return deepest(f);
}
