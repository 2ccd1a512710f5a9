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
    size_t stride = ncs_padded(m);
    w->m = m;
    w->d = d;
    w->stride = (int)stride;
    w->pitch = ncs_pitch(m);
    w->place = ncs_room_take(room, stride * d, sizeof(double));
    w->mass = ncs_room_take(room, stride, sizeof(double));
    w->bar = ncs_room_take(room, stride, sizeof(double));
    w->best = ncs_room_take(room, stride, sizeof(double));
    w->later = ncs_room_take(room, stride, sizeof(int));
    w->is = ncs_room_take(room, stride, sizeof(int));
    w->was = ncs_room_take(room, stride, sizeof(int));
    w->node = ncs_room_take(room, m, sizeof(int));
}

/* Turn squared distances to slot `a` into costs, from a slot on. */
NCS_CLONES
static void weigh(const ncs_ward *w, int a, int from, double *restrict row)
{
    const double *mass = w->mass, *bar = w->bar;
    double own = mass[a];
    for (int j = from; j < w->width; j++) {
        double cost = row[j] * (mass[j] * own / (mass[j] + own));
        row[j] = (cost < FARTHEST ? cost : FARTHEST) + bar[j];
    }
}

/* Find the cheapest partner of slot `a` among the later ones; forget the costs with the
 * others. */
static void search(ncs_ward *w, int a)
{
    int from = a / NCS_ABREAST * NCS_ABREAST;
    double *row = w->cost + (long)a * w->pitch;
    for (int j = from; j <= a; j++)
        row[j] = INFINITY;
    w->later[a] = from + (int)ncs_argmin(row + from, w->width - from);
    w->best[a] = row[w->later[a]];
}

void ncs_ward_begin(ncs_ward *w, double *cost, const double *weight)
{
    w->cost = cost;
    w->width = w->stride;
    w->filled = w->m;
    for (int i = 0; i < w->stride; i++) {
        w->mass[i] = i < w->m ? weight[i] : 1.0;
        w->bar[i] = i < w->m ? 0.0 : INFINITY;
        w->best[i] = INFINITY;
        w->later[i] = -1;
    }
    for (int i = 0; i < w->m; i++) {
        w->node[i] = i;
        weigh(w, i, i / NCS_ABREAST * NCS_ABREAST, cost + (long)i * w->pitch);
        search(w, i);
    }
}

/* Search a row again without what has gone. */
static void search_again(ncs_ward *w, int a)
{
    double *row = w->cost + (long)a * w->pitch;
    for (int j = 0; j < w->width; j++)
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
    int stride = w->stride, kept = 0, *was = w->was, *is = w->is;
    for (int i = 0; i < w->width; i++) {
        is[i] = w->bar[i] == 0.0 ? kept : -1;
        if (is[i] >= 0)
            was[kept++] = i;
    }
    for (int i = 0; i < kept; i++) {
        double *to = w->cost + (long)i * w->pitch;
        const double *from = w->cost + (long)was[i] * w->pitch;
        for (int j = i + 1; j < kept; j++)
            to[j] = from[was[j]];
        for (int k = 0; k < w->d; k++)
            w->place[(long)k * stride + i] = w->place[(long)k * stride + was[i]];
        int later = w->later[was[i]];
        w->later[i] = later < 0 ? -1 : is[later];
        w->mass[i] = w->mass[was[i]];
        w->best[i] = w->best[was[i]];
        w->node[i] = w->node[was[i]];
    }
    w->width = ncs_padded(kept);
    for (int i = 0; i < w->width; i++)
        w->bar[i] = i < kept ? 0.0 : INFINITY;
    for (int i = kept; i < w->width; i++)
        w->best[i] = INFINITY;
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
    int stride = w->stride;
    double *row = w->cost + (long)a * w->pitch;
    for (int k = 0; k < w->d; k++)
        w->place[(long)k * stride + a] = mean[k];
    w->mass[a] = mass;
    w->node[a] = made;
    w->bar[b] = w->best[b] = INFINITY;
    ncs_squared_distances(w->place, w->d, stride, w->width, mean, row);
    weigh(w, a, 0, row);
    for (int j = 0; j < a; j++)
        w->cost[(long)j * w->pitch + a] = row[j];
    tell(row, a, b, w->best, w->later);
    search(w, a);
    if (ncs_padded(--w->filled) <= w->width / 2)
        squeeze(w);
}
