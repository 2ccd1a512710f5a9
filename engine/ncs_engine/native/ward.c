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
    w->rank = ncs_room_take(room, m, sizeof(int));
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
    int m = w->m, kept = 0;
    for (int i = 0; i < w->width; i++)
        w->rank[i] = w->bar[i] == 0.0 ? kept++ : -1;
    for (int i = 0; i < w->width; i++) {
        int at = w->rank[i];
        if (at < 0)
            continue;
        double *to = w->cost + (long)at * m;
        const double *from = w->cost + (long)i * m;
        for (int j = i + 1; j < w->width; j++)
            if (w->rank[j] >= 0)
                to[w->rank[j]] = from[j];
        for (int k = 0; k < w->d; k++)
            w->place[(long)k * m + at] = w->place[(long)k * m + i];
        w->mass[at] = w->mass[i];
        w->best[at] = w->best[i];
        w->later[at] = w->later[i] < 0 ? -1 : w->rank[w->later[i]];
        w->node[at] = w->node[i];
    }
    w->width = kept;
    for (int i = 0; i < kept; i++)
        w->bar[i] = 0.0;
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
    for (int j = 0; j < b; j++) {
        if (j < a) {
            w->cost[(long)j * m + a] = row[j];
            int first = row[j] == w->best[j] && w->later[j] > a && w->later[j] != b;
            if (row[j] < w->best[j] || first) {
                w->best[j] = row[j];
                w->later[j] = a;
                continue;
            }
        }
        if (j != a && (w->later[j] == a || w->later[j] == b))
            w->later[j] = -1;
    }
    if (2 * ++w->empty > w->width) {
        squeeze(w);
        w->empty = 0;
    }
}
