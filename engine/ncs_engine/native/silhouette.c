/* How well a cut separates: silhouettes (Rousseeuw 1987). */
#include "silhouette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Squared distances of a point to all rows of a dimension-major table. */
static void squares(const double *point, const double *table, int d, int stride, int count, double *out)
{
    memset(out, 0, count * sizeof *out);
    for (int k = 0; k < d; k++) {
        const double *row = table + (long)k * stride;
        for (int j = 0; j < count; j++)
            out[j] += (row[j] - point[k]) * (row[j] - point[k]);
    }
}

int ncs_recent_measure(ncs_recent *r, const ncs_crowd *in)
{
    int n = in->recent_count, m = in->count, d = in->dimension;
    const double *z = in->recent;
    r->n = n;
    r->between = malloc(((size_t)n * n + (size_t)n * d + m + 1) * sizeof(double));
    r->nearest = malloc((n + m + 1) * sizeof(int));
    if (!r->between || !r->nearest)
        return -1;
    double *columns = r->between + (size_t)n * n;
    r->sums = columns + (size_t)n * d;
    r->members = r->nearest + n;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < d; k++)
            columns[(long)k * n + i] = z[(long)i * d + k];
    for (int i = 0; i < n; i++) {
        double *row = r->between + (long)i * n;
        squares(z + (long)i * d, columns, d, n, n, row);
        for (int j = 0; j < n; j++)
            row[j] = sqrt(row[j]);
        squares(z + (long)i * d, in->centres, d, in->stride, m, r->sums);
        int best = 0;
        for (int j = 1; j < m; j++)
            if (r->sums[j] < r->sums[best])
                best = j;
        r->nearest[i] = best;
    }
    return 0;
}

void ncs_recent_free(ncs_recent *r)
{
    free(r->between);
    free(r->nearest);
}

double ncs_point_silhouette(ncs_recent *r, int k, const int *piece)
{
    int n = r->n;
    double total = 0.0, *sums = r->sums;
    if (k < 2 || n < 2)
        return 0.0;
    memset(r->members, 0, k * sizeof(int));
    for (int i = 0; i < n; i++)
        r->members[piece[r->nearest[i]]]++;
    for (int i = 0; i < n; i++) {
        const double *row = r->between + (long)i * n;
        int own = piece[r->nearest[i]];
        if (r->members[own] < 2)
            continue;
        memset(sums, 0, k * sizeof(double));
        for (int j = 0; j < n; j++)
            sums[piece[r->nearest[j]]] += row[j];
        double a = sums[own] / (r->members[own] - 1), b = INFINITY;
        for (int j = 0; j < k; j++)
            if (j != own && r->members[j] && sums[j] / r->members[j] < b)
                b = sums[j] / r->members[j];
        double larger = a > b ? a : b;
        if (b < INFINITY && larger > 0.0)
            total += (b - a) / larger;
    }
    return total / n;
}

double ncs_centre_silhouette(const ncs_tree *t, int k, const int *piece, const int *nodes)
{
    int m = t->m, d = t->d;
    double total = 0.0, all = 0.0;
    if (k < 2)
        return 0.0;
    for (int i = 0; i < m; i++) {
        const double *x = t->x + (long)i * d, *v = t->v + (long)i * d;
        all += t->in->weight[i];
        double spread = 0.0, own = 0.0, other = INFINITY;
        for (int p = 0; p < d; p++)
            spread += v[p];
        for (int j = 0; j < k; j++) {
            const double *c = t->mean + (long)nodes[j] * d;
            double g = 0.0;
            for (int p = 0; p < d; p++)
                g += (x[p] - c[p]) * (x[p] - c[p]);
            if (j == piece[i])
                own = g;
            else if (g < other)
                other = g;
        }
        double a = sqrt(own + spread), b = sqrt(other + spread), larger = a > b ? a : b;
        if (larger > 0.0)
            total += t->in->weight[i] * (b - a) / larger;
    }
    return total / all;
}
