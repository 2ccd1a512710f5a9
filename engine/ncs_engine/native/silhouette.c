#include "silhouette.h"
#include "clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Squared distances of a point to all columns of a dimension-major table. */
NCS_CLONES
static void squares(const double *point, const double *table, int d, int stride, int count, double *out)
{
    for (int j = 0; j < count; j++)
        out[j] = 0.0;
    for (int k = 0; k < d; k++) {
        const double *row = table + (long)k * stride;
        double own = point[k];
        for (int j = 0; j < count; j++)
            out[j] += (row[j] - own) * (row[j] - own);
    }
}

/* other = min(other, row * factor) where the item is not a member of the piece. */
NCS_CLONES
static void take_nearer(const double *row, double factor, const int *owner, int piece, int count, double *other)
{
    for (int i = 0; i < count; i++) {
        double v = row[i] * factor;
        v = owner[i] == piece ? INFINITY : v;
        other[i] = v < other[i] ? v : other[i];
    }
}

NCS_CLONES
static void add(const double *a, const double *b, int count, double *sum)
{
    for (int i = 0; i < count; i++)
        sum[i] = a[i] + b[i];
}

/* Distances among the recent points, summed up for every node of the tree. */
static int measure_points(ncs_silhouettes *s)
{
    const ncs_tree *t = s->tree;
    int n = s->n, m = t->m, d = t->d;
    const double *z = t->in->recent;
    double *columns = malloc(((size_t)n * d + n + m + 1) * sizeof *columns);
    if (!columns)
        return -1;
    double *row = columns + (size_t)n * d;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++)
            columns[(long)k * n + i] = z[(long)i * d + k];
    for (int i = 0; i < n; i++) {
        squares(z + (long)i * d, t->in->centres, d, t->in->stride, m, row);
        int best = 0;
        for (int j = 1; j < m; j++)
            if (row[j] < row[best])
                best = j;
        s->leaf[i] = best;
        s->members[best]++;
        double *sums = s->between + (long)best * n;
        squares(z + (long)i * d, columns, d, n, n, row);
        for (int j = 0; j < n; j++)
            sums[j] += sqrt(row[j]);
    }
    free(columns);
    for (int step = 0; step < m - 1; step++) {
        int a = t->left[step], b = t->right[step], made = m + step;
        s->members[made] = s->members[a] + s->members[b];
        add(s->between + (long)a * n, s->between + (long)b * n, n, s->between + (long)made * n);
    }
    return 0;
}

int ncs_silhouettes_begin(ncs_silhouettes *s, const ncs_tree *tree)
{
    size_t n = tree->in->recent_count, m = tree->m, most = n > m ? n : m;
    memset(s, 0, sizeof *s);
    s->tree = tree;
    s->n = (int)n;
    s->between = calloc(2 * m * n + 1, sizeof(double));
    s->away = malloc((2 * m * m + m + most) * sizeof(double));
    s->members = calloc(2 * m + n + most, sizeof(int));
    s->ready = calloc(2 * m, 1);
    if (!s->between || !s->away || !s->members || !s->ready)
        return -1;
    s->spread = s->away + 2 * m * m;
    s->other = s->spread + m;
    s->leaf = s->members + 2 * m;
    s->owner = s->leaf + n;
    for (size_t i = 0; i < m; i++) {
        s->spread[i] = 0.0;
        for (int k = 0; k < tree->d; k++)
            s->spread[i] += tree->v[i * tree->d + k];
    }
    return measure_points(s);
}

void ncs_silhouettes_free(ncs_silhouettes *s)
{
    free(s->between);
    free(s->away);
    free(s->members);
    free(s->ready);
}

static double ratio(double own, double other)
{
    double larger = own > other ? own : other;
    return larger > 0.0 ? (other - own) / larger : 0.0;
}

double ncs_point_silhouette(ncs_silhouettes *s, int k, const int *piece, const int *nodes)
{
    int n = s->n;
    double total = 0.0;
    if (k < 2 || n < 2)
        return 0.0;
    for (int i = 0; i < n; i++) {
        s->owner[i] = piece[s->leaf[i]];
        s->other[i] = INFINITY;
    }
    for (int j = 0; j < k; j++)
        if (s->members[nodes[j]])
            take_nearer(s->between + (long)nodes[j] * n, 1.0 / s->members[nodes[j]], s->owner, j, n, s->other);
    for (int i = 0; i < n; i++) {
        int node = nodes[s->owner[i]], others = s->members[node] - 1;
        if (others > 0 && s->other[i] < INFINITY)
            total += ratio(s->between[(long)node * n + i] / others, s->other[i]);
    }
    return total / n;
}

double ncs_centre_silhouette(ncs_silhouettes *s, int k, const int *piece, const int *nodes)
{
    const ncs_tree *t = s->tree;
    int m = t->m;
    double total = 0.0, all = 0.0;
    if (k < 2)
        return 0.0;
    for (int i = 0; i < m; i++)
        s->other[i] = INFINITY;
    for (int j = 0; j < k; j++) {
        double *row = s->away + (long)nodes[j] * m;
        if (!s->ready[nodes[j]])
            squares(t->mean + (long)nodes[j] * t->d, t->in->centres, t->d, t->in->stride, m, row);
        s->ready[nodes[j]] = 1;
        take_nearer(row, 1.0, piece, j, m, s->other);
    }
    for (int i = 0; i < m; i++) {
        double own = s->away[(long)nodes[piece[i]] * m + i];
        all += t->nodes.w[i];
        total += t->nodes.w[i] * ratio(sqrt(own + s->spread[i]), sqrt(s->other[i] + s->spread[i]));
    }
    return total / all;
}
