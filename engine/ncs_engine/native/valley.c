/* Two crowds are two modes of the density if it has a valley between them.

   The members are projected on the axis that discriminates best between the crowds
   (Fisher 1936, covariances shrunk towards a sphere). Every member is projected on the
   axis that would have come out without it: otherwise few points in many dimensions
   always look apart. The answer is the depth of the valley of a kernel density
   estimate along that axis: density in the valley / lower of the two peaks.

   Axes are found for some pairs at a time, a pair in each lane of the vectors;
   members are projected side by side as well. */
#include "valley.h"
#include "clones.h"

#include <math.h>
#include <string.h>

#define FULL_COVARIANCE_TO 16 /* dimensions */
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

/* Axes of unit length, and what projecting needs; a pair in each lane. */
typedef struct {
    double (*root)[NCS_LANES];    /* (s) Cholesky's, or variances; pivots inverted */
    double (*axis)[NCS_LANES];    /* (d) */
    double (*inverse)[NCS_LANES]; /* (d) inverse pivots, squared */
    double length[NCS_LANES], gap[NCS_LANES], foot[2][NCS_LANES];
    double usable[NCS_LANES];     /* 0 where there is no axis */
} axes;

/* Where the members of both nodes are on their axis; those of `a` first. */
typedef struct {
    double *where, *width; /* (m) */
    double *pull, *y;      /* scratch (m), (d, m) or (m) without covariances */
} shadow;

void ncs_nodes_lay_out(ncs_nodes *t, int m, int d, ncs_room *room)
{
    size_t each = sizeof(double);
    t->m = m;
    t->d = d;
    t->full = d <= FULL_COVARIANCE_TO;
    t->s = t->full ? ncs_packed(d, 0) : d;
    t->stride = ncs_padded(m);
    t->x = ncs_room_take(room, (size_t)t->stride * d, each);
    t->v = ncs_room_take(room, (size_t)t->stride * d, each);
    t->w = ncs_room_take(room, m, each);
    t->blur = ncs_room_take(room, m, each);
    t->first = ncs_room_take(room, 2 * m, sizeof(int));
    t->size = ncs_room_take(room, 2 * m, sizeof(int));
    t->mean = ncs_room_take(room, 2 * (size_t)m * d, each);
    t->scatter = ncs_room_take(room, 2 * (size_t)m * t->s, each);
    t->mass = ncs_room_take(room, 2 * m, each);
    size_t lanes = NCS_LANES * ((size_t)t->s + 2 * d);
    size_t members = (size_t)m * (3 + (t->full ? d : 1));
    t->scratch = ncs_room_take(room, lanes + members, each);
}

/* Pooled covariances of the pairs, shrunk. */
NCS_INLINE void pool(const ncs_nodes *t, const int *a, const int *b, axes *to)
{
    int d = t->d, s = t->s;
    double trace[NCS_LANES] = {0}, keep[NCS_LANES], ball[NCS_LANES];
    for (int l = 0; l < NCS_LANES; l++) {
        const double *one = t->scatter + (long)a[l] * s;
        const double *two = t->scatter + (long)b[l] * s;
        double mass = t->mass[a[l]] + t->mass[b[l]];
        double freedom = 1.0 / (mass > 3.0 ? mass - 2.0 : 1.0);
        double share = t->full ? d / (mass + d) : 3.0 / (mass + 3.0);
        for (int i = 0; i < s; i++)
            to->root[i][l] = (one[i] + two[i]) * freedom;
        for (int i = 0; i < d; i++)
            trace[l] += to->root[t->full ? ncs_packed(i, i) : i][l];
        to->usable[l] = trace[l] > TINY && trace[l] < VAST ? 1.0 : 0.0;
        keep[l] = 1.0 - share;
        ball[l] = (share + 1e-9) * trace[l] / d;
    }
    for (int i = 0; i < s; i++)
        for (int l = 0; l < NCS_LANES; l++)
            to->root[i][l] *= keep[l];
    for (int i = 0; i < d; i++)
        for (int l = 0; l < NCS_LANES; l++)
            to->root[t->full ? ncs_packed(i, i) : i][l] += ball[l];
}

/* Factor the matrices in place, L L', with 1 / L on the diagonals. */
NCS_INLINE void factor(int d, axes *to)
{
    for (int j = 0; j < d; j++) {
        double (*row)[NCS_LANES] = to->root + ncs_packed(j, 0);
        double pivot[NCS_LANES];
        for (int l = 0; l < NCS_LANES; l++)
            pivot[l] = row[j][l];
        for (int k = 0; k < j; k++)
            for (int l = 0; l < NCS_LANES; l++)
                pivot[l] -= row[k][l] * row[k][l];
        for (int l = 0; l < NCS_LANES; l++) {
            to->usable[l] = pivot[l] > 0.0 ? to->usable[l] : 0.0;
            row[j][l] = 1.0 / sqrt(pivot[l] > 0.0 ? pivot[l] : 1.0);
        }
        for (int i = j + 1; i < d; i++) {
            double (*other)[NCS_LANES] = to->root + ncs_packed(i, 0);
            double sum[NCS_LANES];
            for (int l = 0; l < NCS_LANES; l++)
                sum[l] = other[j][l];
            for (int k = 0; k < j; k++)
                for (int l = 0; l < NCS_LANES; l++)
                    sum[l] -= other[k][l] * row[k][l];
            for (int l = 0; l < NCS_LANES; l++)
                other[j][l] = sum[l] * row[j][l];
        }
    }
}

/* Solve L L' y = axis. */
NCS_INLINE void solve(int d, axes *to)
{
    for (int i = 0; i < d; i++) {
        double (*row)[NCS_LANES] = to->root + ncs_packed(i, 0);
        for (int k = 0; k < i; k++)
            for (int l = 0; l < NCS_LANES; l++)
                to->axis[i][l] -= row[k][l] * to->axis[k][l];
        for (int l = 0; l < NCS_LANES; l++)
            to->axis[i][l] *= row[i][l];
    }
    for (int i = d - 1; i >= 0; i--) {
        double (*row)[NCS_LANES] = to->root + ncs_packed(i, 0);
        for (int l = 0; l < NCS_LANES; l++)
            to->axis[i][l] *= row[i][l];
        for (int k = 0; k < i; k++)
            for (int l = 0; l < NCS_LANES; l++)
                to->axis[k][l] -= row[k][l] * to->axis[i][l];
    }
}

/* The discriminating axes of NCS_LANES pairs. */
NCS_CLONES
static void find_axes(const ncs_nodes *t, const int *a, const int *b, axes *to)
{
    int d = t->d;
    double squares[NCS_LANES] = {0};
    pool(t, a, b, to);
    for (int i = 0; i < d; i++)
        for (int l = 0; l < NCS_LANES; l++)
            to->axis[i][l] = t->mean[(long)b[l] * d + i] - t->mean[(long)a[l] * d + i];
    if (t->full) {
        factor(d, to);
        solve(d, to);
    }
    for (int i = 0; i < d; i++)
        for (int l = 0; l < NCS_LANES; l++) {
            double pivot = to->root[t->full ? ncs_packed(i, i) : i][l];
            to->inverse[i][l] = t->full ? pivot * pivot : 1.0 / pivot;
            to->axis[i][l] *= t->full ? 1.0 : to->inverse[i][l];
            squares[l] += to->axis[i][l] * to->axis[i][l];
        }
    for (int l = 0; l < NCS_LANES; l++) {
        to->length[l] = sqrt(squares[l]);
        to->foot[0][l] = to->foot[1][l] = 0.0;
    }
    for (int i = 0; i < d; i++)
        for (int l = 0; l < NCS_LANES; l++) {
            to->axis[i][l] /= to->length[l];
            to->foot[0][l] += to->axis[i][l] * t->mean[(long)a[l] * d + i];
            to->foot[1][l] += to->axis[i][l] * t->mean[(long)b[l] * d + i];
        }
    for (int l = 0; l < NCS_LANES; l++) {
        to->gap[l] = to->foot[1][l] - to->foot[0][l];
        if (!(to->length[l] > 0.0 && to->gap[l] > 0.0))
            to->usable[l] = 0.0;
    }
}

/* Start projecting the members of a node, which come at `at`. */
NCS_INLINE void add_features(const ncs_nodes *t, int node, const axes *by, int lane,
                             int at, const shadow *to)
{
    int d = t->d, m = t->m, n = t->size[node];
    double *where = to->where + at, *width = to->width + at, *pull = to->pull + at;
    for (int j = 0; j < n; j++)
        where[j] = width[j] = pull[j] = 0.0;
    for (int k = 0; k < d; k++) {
        const double *x = t->x + (long)k * t->stride + t->first[node];
        const double *v = t->v + (long)k * t->stride + t->first[node];
        double *y = to->y + (t->full ? (long)k * m : 0) + at;
        double mean = t->mean[(long)node * d + k];
        double axis = by->axis[k][lane], inverse = by->inverse[k][lane];
        double square = axis * axis;
        for (int j = 0; j < n; j++) {
            double off = x[j] - mean;
            where[j] += axis * off;
            width[j] += square * v[j];
            pull[j] += t->full ? v[j] * inverse : (v[j] + off * off) * inverse;
            y[j] = off;
        }
    }
}

/* Add the squares of L^-1 y, which is used up, to the pulls. */
NCS_INLINE void add_squares(const ncs_nodes *t, const axes *by, int lane, int n,
                            const shadow *to)
{
    for (int i = 0; i < t->d; i++) {
        double *y = to->y + (long)i * t->m;
        for (int k = 0; k < i; k++) {
            double factor = by->root[ncs_packed(i, k)][lane];
            const double *other = to->y + (long)k * t->m;
            for (int j = 0; j < n; j++)
                y[j] -= factor * other[j];
        }
        double pivot = by->root[ncs_packed(i, i)][lane];
        for (int j = 0; j < n; j++) {
            y[j] *= pivot;
            to->pull[j] += y[j] * y[j];
        }
    }
}

/* Project the members of both nodes. */
NCS_CLONES
static void project(const ncs_nodes *t, int a, int b, const axes *by, int lane,
                    const shadow *to)
{
    int n = t->size[a], all = n + t->size[b], node = a;
    add_features(t, a, by, lane, 0, to);
    add_features(t, b, by, lane, n, to);
    if (t->full)
        add_squares(t, by, lane, all, to);
    for (int side = 0, from = 0; side < 2; side++, node = b, from = n) {
        int until = side ? all : n;
        double most = by->gap[lane], foot = by->foot[side][lane];
        double ease = 1.0 / (ALL_BUT_ONE(t->mass[node]) * by->length[lane]);
        double sign = side ? -1.0 : 1.0;
        const double *blur = t->blur + t->first[node] - from;
        for (int j = from; j < until; j++) {
            double pull = to->pull[j] * ease; /* how far it has pulled the axis */
            pull = pull > most ? most : pull;
            to->where[j] += foot + sign * pull;
            to->width[j] = to->width[j] * INFLATE + blur[j];
        }
    }
}

static double centre(const ncs_nodes *t, int node, const double *where)
{
    const double *w = t->w + t->first[node];
    double sum = 0.0;
    for (int j = 0; j < t->size[node]; j++)
        sum += w[j] * where[j];
    return sum / t->mass[node];
}

static double variance(const ncs_nodes *t, int node, const double *where,
                       const double *width, double centre)
{
    const double *w = t->w + t->first[node];
    double sum = 0.0;
    for (int j = 0; j < t->size[node]; j++)
        sum += w[j] * ((where[j] - centre) * (where[j] - centre) + width[j]);
    return sum / ALL_BUT_ONE(t->mass[node]);
}

/* Add the node's density, with kernels (1 - u^2 / 16)^8: near a Gaussian, but finite.
 * INOUT width  used up */
NCS_CLONES
static void add_density(const ncs_nodes *t, int node, const double *where,
                        double *width, double h, double low, double step, double *f)
{
    const double *w = t->w + t->first[node];
    double height[NCS_LANES];
    for (int from = 0; from < t->size[node]; from += NCS_LANES) {
        int left = t->size[node] - from, n = left < NCS_LANES ? left : NCS_LANES;
        for (int j = 0; j < n; j++) {
            double reach = 16.0 * (width[from + j] + h * h);
            width[from + j] = 1.0 / reach;
            height[j] = w[from + j] / sqrt(reach);
        }
        for (int j = 0; j < n; j++) {
            double start = low - where[from + j], over = width[from + j];
            for (int g = 0; g < GRID; g++) {
                double u = start + step * g, k = 1.0 - u * u * over;
                k = k > 0.0 ? k : 0.0;
                k *= k;
                k *= k;
                f[g] += height[j] * (k * k);
            }
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

static double valley_along(const ncs_nodes *t, int a, int b, const axes *by, int lane,
                           const shadow *to)
{
    double *where_b = to->where + t->size[a], *width_b = to->width + t->size[a];
    double f[GRID] = {0};
    project(t, a, b, by, lane, to);
    double left = centre(t, a, to->where);
    double apart = centre(t, b, where_b) - left;
    if (!(apart > 0.0))
        return 1.0;
    double ma = t->mass[a], mb = t->mass[b], fewer = ma < mb ? ma : mb;
    double va = variance(t, a, to->where, to->width, left);
    double vb = variance(t, b, where_b, width_b, left + apart);
    double sd = sqrt(va < vb ? va : vb), both = sqrt((va * ma + vb * mb) / (ma + mb));
    if (sd < NARROWEST * both)
        sd = NARROWEST * both;
    /* Silverman 1986, of each side; wider in few dimensions: Ward cuts at gaps. */
    double wider = 1.0 + 1.0 / ((double)t->d * t->d);
    double h = wider * sd * pow(fewer > 1.0 ? fewer : 1.0, -0.2);
    if (h < FINEST * apart)
        h = FINEST * apart;
    double step = (1.0 + 2.0 * MARGIN) * apart / (GRID - 1);
    double low = left - MARGIN * apart;
    add_density(t, a, to->where, to->width, h, low, step, f);
    add_density(t, b, where_b, width_b, h, low, step, f);
    return deepest(f);
}

void ncs_valleys(const ncs_nodes *t, int count, const int *a, const int *b,
                 double *valley)
{
    int one[NCS_LANES], other[NCS_LANES];
    double (*lanes)[NCS_LANES] = (void *)t->scratch;
    double *members = t->scratch + NCS_LANES * ((size_t)t->s + 2 * t->d);
    axes by = {.root = lanes, .axis = lanes + t->s, .inverse = lanes + t->s + t->d};
    shadow to = {members, members + t->m, members + 2 * t->m, members + 3 * t->m};
    for (int l = 0; l < NCS_LANES; l++) { /* no lane is empty */
        one[l] = a[l < count ? l : 0];
        other[l] = b[l < count ? l : 0];
    }
    find_axes(t, one, other, &by);
    for (int l = 0; l < count; l++)
        valley[l] = by.usable[l] ? valley_along(t, a[l], b[l], &by, l, &to) : 1.0;
}
