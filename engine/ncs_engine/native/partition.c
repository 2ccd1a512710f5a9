/* Clusters as groups of micro-clusters.

   1. A Ward tree (Ward 1963) over the micro-clusters; at each merge the valley between
      the two sides is measured, and the evidence for keeping them apart counted.
   2. Every cut of a grid is a candidate. Evidence, silhouettes and a small price for
      every further cluster make a short list.
   3. In each candidate of the list, pieces that touch and have no valley between them
      are put together: that is how rings and bars come out whole. The candidate that
      also agrees best with the clusters in force is the answer. */
#include "partition.h"
#include "silhouette.h"
#include "tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_LIST 12
#define EVIDENCE 1.0
#define POINT_SILHOUETTE 1.0
#define CENTRE_SILHOUETTE 0.5
#define AGREEMENT 0.6
#define PRICE 0.12         /* per e-fold of clusters */
#define TOUCH 2.0          /* spacings */
#define TILING 0.31        /* below the threshold: pieces of one tiling join */
#define PRIOR_VALLEY 0.35
#define PRIOR_LINKS 4.0
#define OWN_LINKS 3.0
#define PSEUDO_LINKED 2.0  /* members that see no valley where pieces touch */

typedef struct {
    const ncs_crowd *in;
    ncs_tree tree;
    ncs_silhouettes silhouettes;
    int *links, link_count; /* pairs of micro-clusters that touch */
} choice;

typedef struct {
    double value;
    int k;
} candidate;

static const int BEYOND_16[] = {18, 21, 24, 28, 32, 37, 43, 50, 57, 66, 76, 87, 100, 115};

static int is_on_grid(int k)
{
    for (size_t i = 0; i < sizeof BEYOND_16 / sizeof *BEYOND_16; i++)
        if (BEYOND_16[i] == k)
            return 1;
    return k <= 16;
}

/* Put the best cuts on the list, best first; return how many. */
static int short_list(choice *t, candidate *list, int *piece, int *nodes)
{
    int count = 0, peak = 0, most = t->tree.m / 2 > 1 ? t->tree.m / 2 : 1;
    for (int k = 1; k < t->tree.m; k++)
        if (t->tree.evidence[k] > t->tree.evidence[peak])
            peak = k;
    double top = t->tree.evidence[peak];
    for (int k = 1; k <= t->tree.m; k++) {
        if (k != peak + 1 && (k > most || !is_on_grid(k)))
            continue;
        double share = top > 1e-6 ? t->tree.evidence[k - 1] / top : 0.0;
        ncs_tree_cut(&t->tree, k, piece, nodes);
        double value = EVIDENCE * (share > -1.0 ? share : -1.0) - PRICE * log(k);
        value += POINT_SILHOUETTE * ncs_point_silhouette(&t->silhouettes, k, piece, nodes);
        value += CENTRE_SILHOUETTE * ncs_centre_silhouette(&t->silhouettes, k, piece, nodes);
        int at = count < SHORT_LIST ? count++ : SHORT_LIST;
        while (at > 0 && list[at - 1].value < value) {
            if (at < SHORT_LIST)
                list[at] = list[at - 1];
            at--;
        }
        if (at < SHORT_LIST)
            list[at] = (candidate){value, k};
    }
    return count;
}

static void find_links(choice *t)
{
    int m = t->tree.m;
    t->link_count = 0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < i; j++) {
            double s = t->tree.spacing[i] < t->tree.spacing[j] ? t->tree.spacing[i] : t->tree.spacing[j];
            if (t->tree.gap[(long)i * m + j] <= TOUCH * TOUCH * s) {
                t->links[2 * t->link_count] = i;
                t->links[2 * t->link_count++ + 1] = j;
            }
        }
}

static int root(const int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i];
    return i;
}

/* What is known of the pieces of a cut while they are put together; all (k, k), (k). */
typedef struct {
    int k, *parent;
    double *sum, *links, *prior; /* of valleys, of how many; see set_priors */
} quilt;

static void meet(choice *t, quilt *q, const int *piece, const int *nodes)
{
    int k = q->k;
    memset(q->sum, 0, (size_t)k * k * sizeof(double));
    memset(q->links, 0, (size_t)k * k * sizeof(double));
    for (int i = 0; i < k; i++)
        q->parent[i] = i;
    for (int l = 0; l < t->link_count; l++) {
        int a = piece[t->links[2 * l]], b = piece[t->links[2 * l + 1]];
        if (a == b || q->links[a * k + b] > 0.0)
            continue;
        double one = t->tree.count[nodes[a]], two = t->tree.count[nodes[b]];
        double fewer = one < two ? one : two;
        double seen = fewer * ncs_tree_valley(&t->tree, nodes[a], nodes[b]) + PSEUDO_LINKED;
        q->links[a * k + b] = q->links[b * k + a] = 1.0;
        q->sum[a * k + b] = q->sum[b * k + a] = seen / (fewer + PSEUDO_LINKED);
        q->parent[root(q->parent, a)] = root(q->parent, b);
    }
}

/* What the links of a whole tiling look like is the prior for each of its pieces. */
static void set_priors(quilt *q)
{
    int k = q->k;
    for (int i = 0; i < k; i++) {
        double total = 0.0, count = 0.0;
        int own = root(q->parent, i);
        for (int a = 0; a < k; a++)
            for (int b = 0; b < a && root(q->parent, a) == own; b++) {
                total += q->sum[a * k + b];
                count += q->links[a * k + b];
            }
        q->prior[i] = (total + PRIOR_LINKS * PRIOR_VALLEY) / (count + PRIOR_LINKS);
    }
    for (int i = 0; i < k; i++)
        q->parent[i] = i;
}

/* Average linkage over the pieces that touch, down to a valley of `least`. */
static void sew(quilt *q, double least)
{
    int k = q->k;
    for (;;) {
        int a = -1, b = -1;
        double best = least;
        for (int i = 0; i < k; i++)
            for (int j = 0; j < i && q->parent[i] == i; j++) {
                double links = q->links[i * k + j];
                if (q->parent[j] != j || links <= 0.0)
                    continue;
                double r = (q->sum[i * k + j] + OWN_LINKS * q->prior[i]) / (links + OWN_LINKS);
                if (r >= best) {
                    best = r;
                    a = j;
                    b = i;
                }
            }
        if (a < 0)
            return;
        q->parent[b] = a;
        for (int j = 0; j < k; j++)
            if (j != a && q->parent[j] == j) {
                q->sum[a * k + j] = q->sum[j * k + a] = q->sum[a * k + j] + q->sum[b * k + j];
                q->links[a * k + j] = q->links[j * k + a] = q->links[a * k + j] + q->links[b * k + j];
            }
    }
}

/* Clusters in force by numbers 0, 1, ..; returns how many. */
static int number_old(const ncs_crowd *in, int *old)
{
    int count = 0;
    for (int i = 0; i < in->count; i++) {
        old[i] = -1;
        for (int j = 0; j < i && old[i] < 0; j++)
            if (in->label[j] == in->label[i])
                old[i] = old[j];
        if (old[i] < 0 && in->label[i] >= 0)
            old[i] = count++;
    }
    return count;
}

/* Adjusted Rand index (Hubert and Arabie 1985), weighted; 0 if no cluster is in force.
   `table` has room for (m + 1) * (m + 1). */
static double agreement(const ncs_crowd *in, int k, const int *piece, int old_count, const int *old, double *table)
{
    double both = 0.0, rows = 0.0, columns = 0.0, total = 0.0;
    double *column = table + (size_t)k * old_count;
    memset(table, 0, (size_t)(k + 1) * old_count * sizeof *table);
    for (int i = 0; i < in->count; i++)
        if (old[i] >= 0) {
            table[(long)piece[i] * old_count + old[i]] += in->weight[i];
            total += in->weight[i];
        }
    if (!(total > 0.0))
        return 0.0;
    for (int i = 0; i < k; i++) {
        double row = 0.0;
        for (int j = 0; j < old_count; j++) {
            double w = table[(long)i * old_count + j];
            both += w * w;
            row += w;
            column[j] += w;
        }
        rows += row * row;
    }
    for (int j = 0; j < old_count; j++)
        columns += column[j] * column[j];
    double chance = rows * columns / (total * total), mean = 0.5 * (rows + columns);
    return mean <= chance ? 1.0 : (both - chance) / (mean - chance);
}

/* Scratch of `choose` and `take_apart`. */
typedef struct {
    int *piece, *nodes, *parent, *old;
    double *sum, *links, *prior, *table;
} room;

static void choose(choice *t, room *r, int64_t *component)
{
    int m = t->tree.m;
    candidate list[SHORT_LIST];
    double best = -INFINITY;
    memset(component, 0, m * sizeof *component);
    int count = short_list(t, list, r->piece, r->nodes), old_count = number_old(t->in, r->old);
    for (int c = 0; c < count; c++) {
        quilt q = {list[c].k, r->parent, r->sum, r->links, r->prior};
        ncs_tree_cut(&t->tree, q.k, r->piece, r->nodes);
        meet(t, &q, r->piece, r->nodes);
        set_priors(&q);
        sew(&q, t->tree.threshold - TILING);
        for (int i = 0; i < m; i++)
            r->piece[i] = root(q.parent, r->piece[i]);
        double value = list[c].value + AGREEMENT * agreement(t->in, q.k, r->piece, old_count, r->old, r->table);
        if (value > best) {
            best = value;
            for (int i = 0; i < m; i++)
                component[i] = r->piece[i];
        }
    }
}

/* Parts of a component that are out of reach of each other are no longer one. */
static void take_apart(const choice *t, room *r, int64_t *component)
{
    int m = t->tree.m, count = 0, *part = r->piece, *todo = r->nodes;
    double reach = t->in->reach * t->in->reach;
    for (int i = 0; i < m; i++)
        part[i] = -1;
    for (int i = 0; i < m; i++) {
        int left = 0;
        if (part[i] >= 0)
            continue;
        part[i] = count;
        todo[left++] = i;
        while (left) {
            const double *gap = t->tree.gap + (long)todo[--left] * m;
            for (int j = 0; j < m; j++)
                if (part[j] < 0 && component[j] == component[i] && gap[j] <= reach) {
                    part[j] = count;
                    todo[left++] = j;
                }
        }
        count++;
    }
    for (int i = 0; i < m; i++)
        component[i] = part[i];
}

static int decide(choice *t, int64_t *component)
{
    size_t m = t->tree.m, square = (m + 1) * (m + 1);
    int *whole = malloc((4 * m + m * m) * sizeof *whole);
    double *real = malloc((3 * square + m) * sizeof *real);
    int done = -1;
    if (whole && real) {
        room r = {whole, whole + m, whole + 2 * m, whole + 3 * m,
                  real, real + square, real + 3 * square, real + 2 * square};
        t->links = whole + 4 * m;
        find_links(t);
        choose(t, &r, component);
        take_apart(t, &r, component);
        done = 0;
    }
    free(whole);
    free(real);
    return done;
}

int ncs_partition(const ncs_crowd *in, int64_t *component)
{
    choice t = {.in = in};
    if (in->count == 0)
        return 0;
    int done = ncs_tree_grow(&t.tree, in);
    if (done == 0)
        done = ncs_silhouettes_begin(&t.silhouettes, &t.tree);
    if (done == 0)
        done = decide(&t, component);
    ncs_tree_free(&t.tree);
    ncs_silhouettes_free(&t.silhouettes);
    return done;
}
