/* A Ward tree over micro-clusters, with the evidence for every cut of it.

   Ward (1963) merges what raises the sum of squares least. At every merge the valley
   between the two sides is measured; fewer members say less, so a few pseudo members
   that see no valley are added. The evidence for k clusters is the sum, over the k - 1
   last merges, of members * (threshold - valley): chance averages out over many merges,
   which no test of a single one can achieve. */
#include "tree.h"
#include "clones.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FULL_COVARIANCE_TO 16 /* dimensions */
#define PSEUDO_MEMBERS 12.0
#define FLOOR 0.5    /* of the squared spacing: no crowd is thinner */
#define SINGLE 1.5   /* weight up to which a micro-cluster may be an outlier */
#define POINT 1e-12  /* total variance up to which all its points coincide */
#define FARTHEST 1e300 /* cost of a merge; of one that overflows as well */
#define APART 1e-18  /* squared distance from which two places differ */

double ncs_tree_valley(ncs_tree *t, int a, int b)
{
    if (a > b) {
        int c = a;
        a = b;
        b = c;
    }
    double *known = t->known + (long)a * 2 * t->m + b;
    if (*known == 0.0)
        *known = 1.0 + ncs_valley(&t->nodes, a, b);
    return *known - 1.0;
}

NCS_CLONES
static void measure_gaps(ncs_tree *t)
{
    int m = t->m, d = t->d;
    for (int i = 0; i < m; i++) {
        double *row = t->gap + (long)i * m;
        for (int j = 0; j < m; j++)
            row[j] = 0.0;
        for (int k = 0; k < d; k++) {
            const double *c = t->in->centres + (long)k * t->in->stride;
            double own = c[i];
            for (int j = 0; j < m; j++)
                row[j] += (c[j] - own) * (c[j] - own);
        }
    }
}

/* Spacings, and what depends on them. */
static void measure_spacing(ncs_tree *t)
{
    int m = t->m, d = t->d;
    for (int i = 0; i < m; i++) {
        double first = INFINITY, second = INFINITY, apart = INFINITY, spread = 0.0;
        const double *row = t->gap + (long)i * m;
        for (int j = 0; j < m; j++) {
            if (j == i)
                continue;
            if (row[j] < first) {
                second = first;
                first = row[j];
            } else if (row[j] < second)
                second = row[j];
            if (row[j] > APART && row[j] < apart)
                apart = row[j];
        }
        if (apart == INFINITY)
            apart = 0.0;
        t->spacing[i] = second < INFINITY ? second : first;
        for (int k = 0; k < d; k++)
            spread += t->v[(long)i * d + k];
        double w = t->in->weight[i];
        int point = spread <= POINT;
        t->blur[i] = point && w > SINGLE ? apart / d : 0.0;
        t->count[i] = point && w > 1.0 ? 1.0 : w;
        double least = w > SINGLE ? FLOOR * apart / d : 0.0;
        double *scatter = t->scatter + (long)i * t->s;
        memset(scatter, 0, t->s * sizeof *scatter);
        for (int k = 0; k < d; k++)
            scatter[t->nodes.full ? k * (k + 1) / 2 + k : k] = w * (t->v[(long)i * d + k] + least);
    }
}

static void join(ncs_tree *t, int node, int a, int b)
{
    int d = t->d;
    double mass = t->mass[a] + t->mass[b], share = t->mass[b] / mass, f = t->mass[a] * share;
    double *sa = t->scatter + (long)a * t->s, *sb = t->scatter + (long)b * t->s;
    double *sum = t->scatter + (long)node * t->s;
    const double *ma = t->mean + (long)a * d, *mb = t->mean + (long)b * d;
    double *mean = t->mean + (long)node * d;
    for (int i = 0; i < t->s; i++)
        sum[i] = sa[i] + sb[i];
    for (int i = 0; i < d; i++) {
        double g = mb[i] - ma[i];
        mean[i] = ma[i] + share * g;
        if (t->nodes.full)
            for (int k = 0; k <= i; k++)
                sum[i * (i + 1) / 2 + k] += f * g * (mb[k] - ma[k]);
        else
            sum[i] += f * g * g;
    }
    t->mass[node] = mass;
    t->count[node] = t->count[a] + t->count[b];
    t->first[node] = t->first[a];
    t->size[node] = t->size[a] + t->size[b];
    t->next[t->last[a]] = t->first[b];
    t->last[node] = t->last[b];
}

/* The two cheapest slots to merge; -1 where a slot has no neighbour. */
typedef struct {
    int *node, *near;    /* (m) node in each slot, -1 if gone; its cheapest neighbour */
    double *cost, *best; /* (m, m), (m) */
} slots;

static double no_farther(double cost) { return cost < FARTHEST ? cost : FARTHEST; }

static void find_nearest(slots *s, int m, int i)
{
    const double *row = s->cost + (long)i * m;
    s->best[i] = INFINITY;
    s->near[i] = -1;
    for (int j = 0; j < m; j++)
        if (row[j] < s->best[i]) {
            s->best[i] = row[j];
            s->near[i] = j;
        }
}

static void fill_slots(const ncs_tree *t, slots *s)
{
    int m = t->m;
    const double *w = t->nodes.w;
    for (int i = 0; i < m; i++) {
        double *row = s->cost + (long)i * m;
        for (int j = 0; j < m; j++)
            row[j] = no_farther(t->gap[(long)i * m + j] * (w[i] * w[j] / (w[i] + w[j])));
        row[i] = INFINITY;
        s->node[i] = i;
        find_nearest(s, m, i);
    }
}

/* Put the node that was made of slots a and b into slot a. */
static void replace_slot(const ncs_tree *t, slots *s, int a, int b, int made)
{
    int m = t->m, d = t->d;
    const double *mean = t->mean + (long)made * d;
    s->node[a] = made;
    s->node[b] = -1;
    for (int j = 0; j < m; j++) {
        s->cost[(long)b * m + j] = s->cost[(long)j * m + b] = INFINITY;
        if (j == a || s->node[j] < 0)
            continue;
        const double *other = t->mean + (long)s->node[j] * d;
        double c = 0.0, mass = t->mass[s->node[j]];
        for (int k = 0; k < d; k++)
            c += (mean[k] - other[k]) * (mean[k] - other[k]);
        c *= mass * t->mass[made] / (mass + t->mass[made]);
        s->cost[(long)a * m + j] = s->cost[(long)j * m + a] = no_farther(c);
    }
    find_nearest(s, m, a);
    s->best[b] = INFINITY;
    for (int j = 0; j < m; j++) {
        if (j == a || s->node[j] < 0)
            continue;
        if (s->near[j] == a || s->near[j] == b)
            find_nearest(s, m, j);
        else if (s->cost[(long)j * m + a] < s->best[j]) {
            s->best[j] = s->cost[(long)j * m + a];
            s->near[j] = a;
        }
    }
}

static double evidence(ncs_tree *t, int a, int b)
{
    double fewer = t->count[a] < t->count[b] ? t->count[a] : t->count[b];
    double seen = fewer * ncs_tree_valley(t, a, b) + PSEUDO_MEMBERS;
    return fewer * (t->threshold - seen / (fewer + PSEUDO_MEMBERS));
}

static int grow(ncs_tree *t)
{
    int m = t->m, done = -1;
    slots s = {malloc(m * sizeof(int)), malloc(m * sizeof(int)),
               malloc((size_t)m * m * sizeof(double)), malloc(m * sizeof(double))};
    if (s.node && s.near && s.cost && s.best) {
        fill_slots(t, &s);
        for (int step = 0; step < m - 1; step++) {
            int a = 0, b;
            for (int i = 1; i < m; i++)
                if (s.best[i] < s.best[a])
                    a = i;
            b = s.near[a];
            if (b < a) {
                b = a;
                a = s.near[a];
            }
            /* The last merge is the first to be undone. */
            t->evidence[m - 1 - step] = evidence(t, s.node[a], s.node[b]);
            t->left[step] = s.node[a];
            t->right[step] = s.node[b];
            join(t, m + step, s.node[a], s.node[b]);
            replace_slot(t, &s, a, b, m + step);
        }
        t->evidence[0] = 0.0;
        for (int k = 1; k < m; k++)
            t->evidence[k] += t->evidence[k - 1];
        done = 0;
    }
    free(s.node);
    free(s.near);
    free(s.cost);
    free(s.best);
    return done;
}

/* Piece of each micro-cluster when the last k - 1 merges are undone; nodes (k). */
void ncs_tree_cut(const ncs_tree *t, int k, int *piece, int *nodes)
{
    int m = t->m, count = 0;
    for (int i = 0; i < m; i++)
        piece[i] = -1;
    for (int node = 2 * m - 1 - k; node >= 0 && count < k; node--) {
        int i = t->first[node];
        if (piece[i] >= 0)
            continue;
        nodes[count] = node;
        for (int left = t->size[node]; left > 0; left--, i = t->next[i])
            piece[i] = count;
        count++;
    }
}

void ncs_tree_free(ncs_tree *t)
{
    free(t->numbers);
    free(t->indices);
    free(t->known);
}

/* Hand out the next `count` of a block. */
static double *numbers(double **at, size_t count) { *at += count; return *at - count; }
static int *indices(int **at, size_t count) { *at += count; return *at - count; }

static int allocate(ncs_tree *t)
{
    size_t m = t->m, d = t->d, s = t->s, scratch = ncs_valley_scratch(t->m, t->d, t->s);
    t->numbers = malloc((2 * m * d + m * m + 3 * m + 2 * m * (d + s + 2) + scratch) * sizeof(double));
    t->indices = malloc(9 * m * sizeof(int));
    t->known = calloc(4 * m * m, sizeof(double));
    if (!t->numbers || !t->indices || !t->known)
        return -1;
    double *at = t->numbers;
    int *to = t->indices;
    t->x = numbers(&at, m * d);
    t->v = numbers(&at, m * d);
    t->gap = numbers(&at, m * m);
    t->spacing = numbers(&at, m);
    t->blur = numbers(&at, m);
    t->evidence = numbers(&at, m);
    t->mean = numbers(&at, 2 * m * d);
    t->scatter = numbers(&at, 2 * m * s);
    t->mass = numbers(&at, 2 * m);
    t->count = numbers(&at, 2 * m);
    t->nodes.scratch = numbers(&at, scratch);
    t->next = indices(&to, m);
    t->last = indices(&to, 2 * m);
    t->first = indices(&to, 2 * m);
    t->size = indices(&to, 2 * m);
    t->left = indices(&to, m);
    t->right = indices(&to, m);
    return 0;
}

int ncs_tree_grow(ncs_tree *t, const ncs_crowd *in)
{
    memset(t, 0, sizeof *t);
    t->in = in;
    t->m = in->count;
    t->d = in->dimension;
    t->threshold = in->threshold;
    int m = t->m, d = t->d, full = d <= FULL_COVARIANCE_TO;
    t->s = full ? d * (d + 1) / 2 : d;
    if (allocate(t) < 0)
        return -1;
    double *scratch = t->nodes.scratch;
    t->nodes = (ncs_nodes){m, d, full, t->s, t->x, t->v, in->weight, t->blur, t->next,
                           t->first, t->size, t->mean, t->scatter, t->mass, scratch};
    for (int i = 0; i < m; i++) {
        for (int k = 0; k < d; k++) {
            double x = in->centres[(long)k * in->stride + i];
            t->x[(long)i * d + k] = t->mean[(long)i * d + k] = x;
            t->v[(long)i * d + k] = in->spread[(long)k * in->stride + i];
        }
        t->mass[i] = in->weight[i];
        t->first[i] = t->last[i] = i;
        t->next[i] = -1;
        t->size[i] = 1;
    }
    measure_gaps(t);
    measure_spacing(t);
    return grow(t);
}
