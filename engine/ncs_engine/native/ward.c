/* Merging what raises the sum of squares least (Ward 1963).

   Each slot knows its cheapest partner among the later ones. When that one goes, the
   cost stays as a bound: nothing that is merged gets nearer to a third. So the row is
   searched anew only when it seems to be the cheapest of all. */
#include "ward.h"
#include "clones.h"
#include "distances.h"

#include <math.h>
#include <string.h>

#define FARTHEST 1e300 /* cost of a merge; of one that overflows as well */

void ncs_ward_lay_out(ncs_ward *w, int m, int d, ncs_room *room)
{
    w->m = m;
    w->d = d;
    w->place = ncs_room_take(room, (size_t)m * d, sizeof(double));
    w->mass = ncs_room_take(room, m, sizeof(double));
    w->bar = ncs_room_take(room, m, sizeof(double));
    w->best = ncs_room_take(room, m, sizeof(double));
    w->later = ncs_room_take(room, m, sizeof(int));
    w->is = ncs_room_take(room, m, sizeof(int));
    w->was = ncs_room_take(room, m, sizeof(int));
    w->node = ncs_room_take(room, m, sizeof(int));
}

/* Turn squared distances to slot `a` into costs. */
NCS_CLONES
static void weigh(const ncs_ward *w, int a, double *row)
{
    double own = w->mass[a];
    for (int j = 0; j < w->width; j++) {
        double cost = row[j] * (w->mass[j] * own / (w->mass[j] + own));
        row[j] = (cost < FARTHEST ? cost : FARTHEST) + w->bar[j];
    }
}

/* Find the cheapest partner of slot `a` among the later ones. */
static void search(ncs_ward *w, int a)
{
    double *row = w->cost + (long)a * w->m;
    int from = a + 1, count = w->width - from;
    w->later[a] = count > 0 ? from + (int)ncs_argmin(row + from, count) : -1;
    w->best[a] = count > 0 ? row[w->later[a]] : INFINITY;
}

void ncs_ward_begin(ncs_ward *w, double *cost, const double *centres, int stride,
                    const double *weight)
{
    int m = w->m;
    w->cost = cost;
    w->width = m;
    w->empty = 0;
    for (int k = 0; k < w->d; k++)
        memcpy(w->place + (long)k * m, centres + (long)k * stride, m * sizeof(double));
    for (int i = 0; i < m; i++) {
        w->mass[i] = weight[i];
        w->bar[i] = 0.0;
        w->node[i] = i;
    }
    for (int i = 0; i < m; i++) {
        weigh(w, i, cost + (long)i * m);
        search(w, i);
    }
}

/* Search a row again without what has gone. */
static void search_again(ncs_ward *w, int a)
{
    double *row = w->cost + (long)a * w->m;
    for (int j = a + 1; j < w->width; j++)
        row[j] += w->bar[j];
    search(w, a);
}

void ncs_ward_next(ncs_ward *w, int *a, int *b)
{
    int i = (int)ncs_argmin(w->best, w->width);
    while (w->later[i] < 0) {
        search_again(w, i);
        i = (int)ncs_argmin(w->best, w->width);
    }
    *a = i;
    *b = w->later[i];
}

/* Take the empty slots out, in order. */
static void squeeze(ncs_ward *w)
{
    int m = w->m, kept = 0, *was = w->was, *is = w->is;
    for (int i = 0; i < w->width; i++) {
        is[i] = w->bar[i] == 0.0 ? kept : -1;
        if (is[i] >= 0)
            was[kept++] = i;
    }
    for (int i = 0; i < kept; i++) {
        double *to = w->cost + (long)i * m;
        const double *from = w->cost + (long)was[i] * m;
        for (int j = i + 1; j < kept; j++)
            to[j] = from[was[j]];
        for (int k = 0; k < w->d; k++)
            w->place[(long)k * m + i] = w->place[(long)k * m + was[i]];
        int later = w->later[was[i]];
        w->later[i] = later < 0 ? -1 : is[later];
        w->mass[i] = w->mass[was[i]];
        w->best[i] = w->best[was[i]];
        w->node[i] = w->node[was[i]];
    }
    w->width = kept;
    w->empty = 0;
    for (int i = 0; i < kept; i++)
        w->bar[i] = 0.0;
}

/* Let the slots before `a` and before `b` know what it costs to merge with the new node
 * in `a`, and that `b` is empty. */
NCS_CLONES
static void tell(const double *restrict row, int a, int b, double *restrict best,
                 int *restrict later)
{
    for (int j = 0; j < a; j++) {
        int gone = later[j] == a || later[j] == b;
        int first = row[j] == best[j] && later[j] > a && !gone;
        int better = row[j] < best[j] || first;
        best[j] = better ? row[j] : best[j];
        later[j] = better ? a : gone ? -1 : later[j];
    }
    for (int j = a + 1; j < b; j++)
        later[j] = later[j] == b ? -1 : later[j];
}

void ncs_ward_replace(ncs_ward *w, int a, int b, int made, const double *mean,
                      double mass)
{
    int m = w->m;
    double *row = w->cost + (long)a * m;
    for (int k = 0; k < w->d; k++)
        w->place[(long)k * m + a] = mean[k];
    w->mass[a] = mass;
    w->node[a] = made;
    w->bar[b] = w->best[b] = INFINITY;
    ncs_squared_distances(w->place, w->d, m, w->width, mean, row);
    weigh(w, a, row);
    search(w, a);
    for (int j = 0; j < a; j++)
        w->cost[(long)j * m + a] = row[j];
    tell(row, a, b, w->best, w->later);
    if (2 * ++w->empty > w->width)
        squeeze(w);
}
