#include "silhouette.h"
#include "clones.h"
#include "distances.h"

#include <math.h>
#include <string.h>

void ncs_silhouettes_lay_out(ncs_silhouettes *s, ncs_tree *tree, ncs_room *room)
{
    size_t n = tree->in->recent_count, m = tree->m, most = ncs_padded(n > m ? n : m);
    s->tree = tree;
    s->n = (int)n;
    s->stride = ncs_padded((int)n);
    s->rows = tree->board;
    s->row_of = ncs_room_take(room, 2 * m, sizeof(int));
    s->fresh = ncs_room_take(room, 2 * m, 1);
    s->nodes = ncs_room_take(room, m, sizeof(int));
    s->item = ncs_room_take(room, most, sizeof(double));
    s->other = ncs_room_take(room, most, sizeof(double));
    s->own = ncs_room_take(room, most, sizeof(double));
    s->spread = ncs_room_take(room, ncs_padded(tree->m), sizeof(double));
    s->leaf = ncs_room_take(room, n, sizeof(int));
    s->before = ncs_room_take(room, m + 1, sizeof(int));
    s->filled = ncs_room_take(room, m, sizeof(int));
    s->end = ncs_room_take(room, m, sizeof(int));
    s->who = ncs_room_take(room, n, sizeof(int));
    s->points = ncs_room_take(room, (size_t)s->stride * tree->d, sizeof(double));
}

/* other = min(other, row * factor) */
NCS_CLONES
static void take_nearer(const double *restrict row, double factor, int count,
                        double *restrict other)
{
    for (int i = 0; i < count; i++) {
        double v = row[i] * factor;
        other[i] = v < other[i] ? v : other[i];
    }
}

/* sum += row */
NCS_CLONES
static void add(const double *restrict row, int count, double *restrict sum)
{
    for (int i = 0; i < count; i++)
        sum[i] += row[i];
}

/* squares = sqrt(squares), sum += that */
NCS_CLONES
static void add_roots(int count, double *restrict squares, double *restrict sum)
{
    for (int i = 0; i < count; i++) {
        squares[i] = sqrt(squares[i]);
        sum[i] += squares[i];
    }
}

/* out = row * factor */
NCS_CLONES
static void scale(const double *restrict row, double factor, int count,
                  double *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = row[i] * factor;
}

/* own = sqrt(own + spread), other likewise */
NCS_CLONES
static void widen(const double *restrict spread, int count, double *restrict own,
                  double *restrict other)
{
    for (int i = 0; i < count; i++) {
        own[i] = sqrt(own[i] + spread[i]);
        other[i] = sqrt(other[i] + spread[i]);
    }
}

/* other = (other - own) / max(own, other), 0 where it is not known */
NCS_CLONES
static void compare(const double *restrict own, int count, double *restrict other)
{
    for (int i = 0; i < count; i++) {
        double a = own[i], b = other[i], larger = a > b ? a : b;
        double ratio = (b - a) / (larger > 0.0 ? larger : 1.0);
        other[i] = b < INFINITY ? ratio : 0.0;
    }
}

/* Put the recent points in the order of the places of their micro-clusters. */
static void arrange_points(ncs_silhouettes *s)
{
    const ncs_tree *t = s->tree;
    const ncs_crowd *in = t->in;
    int n = s->n, m = t->m, d = t->d, *next = s->row_of;
    memset(s->before, 0, (m + 1) * sizeof *s->before);
    for (int i = 0; i < n; i++) {
        s->leaf[i] = t->nodes.first[in->nearest[i]];
        s->before[s->leaf[i] + 1]++;
    }
    for (int p = 0; p < m; p++)
        s->before[p + 1] += s->before[p];
    memcpy(next, s->before, m * sizeof *next);
    for (int i = 0; i < n; i++)
        s->who[next[s->leaf[i]]++] = i;
    for (int k = 0; k < d; k++)
        for (int i = 0; i < s->stride; i++) {
            int who = s->who[i < n ? i : 0]; /* the first once more, to fill up */
            s->points[(long)k * s->stride + i] = in->recent[(long)who * d + k];
        }
}

/* Return the first of the recent points in a node, in `to` the one after the last. */
static int points_of(const ncs_silhouettes *s, int node, int *to)
{
    const ncs_nodes *nodes = &s->tree->nodes;
    int first = nodes->first[node];
    *to = s->before[first + nodes->size[node]];
    return s->before[first];
}

/* List the pieces that have recent points in the order of those; return how many. */
static int list_filled(ncs_silhouettes *s, int k)
{
    int to, count = 0, *at = s->leaf; /* by the first point */
    memset(at, 0, s->n * sizeof *at);
    for (int j = 0; j < k; j++) {
        int from = points_of(s, s->nodes[j], &to);
        if (from < to)
            at[from] = s->nodes[j] + 1;
    }
    for (int i = 0; i < s->n; i++)
        if (at[i]) {
            points_of(s, at[i] - 1, &s->end[count]);
            s->filled[count++] = s->row_of[at[i] - 1];
        }
    return count;
}

/* Measure the sums of the distances of all points to those of each node of a cut. Every
 * distance is measured once, from the point that comes first. */
static void measure_points(ncs_silhouettes *s, int k)
{
    int stride = s->stride, d = s->tree->d, count = list_filled(s, k);
    memset(s->rows, 0, (size_t)k * stride * sizeof *s->rows);
    for (int j = 0, i = 0; j < count; j++) {
        double *row = s->rows + (long)s->filled[j] * stride;
        for (; i < s->end[j]; i++) {
            const double *z = s->tree->in->recent + (long)s->who[i] * d;
            int from = i / NCS_ABREAST * NCS_ABREAST, p = i + 1;
            ncs_squared_distances(s->points + from, d, stride, stride - from, z,
                                  s->item + from);
            memset(s->item + from, 0, (i - from) * sizeof *s->item);
            add_roots(stride - from, s->item + from, row + from);
            for (; p < s->end[j]; p++)
                row[i] += s->item[p];
            for (int l = j + 1; l < count; l++) {
                double sum = 0.0;
                for (; p < s->end[l]; p++)
                    sum += s->item[p];
                s->rows[(long)s->filled[l] * stride + i] = sum;
            }
        }
    }
}

static double point_silhouette(const ncs_silhouettes *s, int k)
{
    int n = s->n, stride = s->stride, to;
    double total = 0.0;
    for (int i = 0; i < stride; i++)
        s->other[i] = INFINITY;
    for (int j = 0; j < k; j++) {
        int from = points_of(s, s->nodes[j], &to), count = to - from;
        const double *row = s->rows + (long)s->row_of[s->nodes[j]] * stride;
        if (count == 0)
            continue;
        memcpy(s->own, s->other + from, count * sizeof *s->own);
        take_nearer(row, 1.0 / count, stride, s->other);
        memcpy(s->other + from, s->own, count * sizeof *s->own);
        scale(row + from, count > 1 ? 1.0 / (count - 1) : 0.0, count, s->item + from);
    }
    for (int j = 0; j < k; j++) {
        int from = points_of(s, s->nodes[j], &to);
        if (to - from == 1) /* one alone has no silhouette */
            s->item[from] = s->other[from] = 0.0;
    }
    compare(s->item, stride, s->other);
    for (int i = 0; i < n; i++)
        total += s->other[i];
    return total / n;
}

/* Let the rows follow from a cut to a coarser one. */
static void coarsen(ncs_silhouettes *s, int from, int to, int sums)
{
    const ncs_tree *t = s->tree;
    for (int step = t->m - from; step < t->m - to; step++) {
        int a = t->left[step], b = t->right[step], made = t->m + step;
        s->row_of[made] = s->row_of[a];
        s->fresh[made] = 0;
        if (sums)
            add(s->rows + (long)s->row_of[b] * s->stride, s->stride,
                s->rows + (long)s->row_of[a] * s->stride);
    }
}

/* Begin with a row for each node of the cut. */
static void begin(ncs_silhouettes *s, int k)
{
    ncs_tree_cut(s->tree, k, s->nodes);
    for (int j = 0; j < k; j++) {
        s->row_of[s->nodes[j]] = j;
        s->fresh[s->nodes[j]] = 0;
    }
}

void ncs_add_point_silhouettes(ncs_silhouettes *s, int count, const int *pieces,
                               double factor, double *value)
{
    if (s->n < 2)
        return;
    arrange_points(s);
    begin(s, pieces[count - 1]);
    measure_points(s, pieces[count - 1]);
    for (int c = count - 1; c >= 0 && pieces[c] > 1; c--) {
        ncs_tree_cut(s->tree, pieces[c], s->nodes);
        value[c] += factor * point_silhouette(s, pieces[c]);
        if (c > 0)
            coarsen(s, pieces[c], pieces[c - 1], 1);
    }
}

static double centre_silhouette(ncs_silhouettes *s, int k)
{
    const ncs_nodes *nodes = &s->tree->nodes;
    int m = nodes->m, d = nodes->d, stride = nodes->stride;
    double total = 0.0, all = 0.0;
    for (int p = 0; p < stride; p++)
        s->other[p] = INFINITY;
    for (int j = 0; j < k; j++) {
        int node = s->nodes[j], from = nodes->first[node], own = nodes->size[node];
        double *row = s->rows + (long)s->row_of[node] * stride;
        if (!s->fresh[node])
            ncs_squared_distances(nodes->x, d, stride, stride,
                                  nodes->mean + (long)node * d, row);
        s->fresh[node] = 1;
        memcpy(s->own, s->other + from, own * sizeof *s->own);
        take_nearer(row, 1.0, stride, s->other);
        memcpy(s->other + from, s->own, own * sizeof *s->own);
        memcpy(s->item + from, row + from, own * sizeof *row);
    }
    widen(s->spread, stride, s->item, s->other);
    compare(s->item, stride, s->other);
    for (int p = 0; p < m; p++) {
        all += nodes->w[p];
        total += nodes->w[p] * s->other[p];
    }
    return total / all;
}

void ncs_add_centre_silhouettes(ncs_silhouettes *s, int count, const int *pieces,
                                double factor, double *value)
{
    const ncs_nodes *nodes = &s->tree->nodes;
    memset(s->spread, 0, nodes->stride * sizeof *s->spread);
    for (int k = 0; k < nodes->d; k++)
        add(nodes->v + (long)k * nodes->stride, nodes->m, s->spread);
    begin(s, pieces[count - 1]);
    for (int c = count - 1; c >= 0 && pieces[c] > 1; c--) {
        ncs_tree_cut(s->tree, pieces[c], s->nodes);
        value[c] += factor * centre_silhouette(s, pieces[c]);
        if (c > 0)
            coarsen(s, pieces[c], pieces[c - 1], 0);
    }
}
