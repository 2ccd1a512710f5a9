/* A Ward tree over micro-clusters, with the evidence for every cut of it.

   At every merge the valley between the two sides is measured; fewer members say less,
   so a few pseudo members that see no valley are added. The evidence for k clusters is
   the sum, over the k - 1 last merges, of members * (threshold - valley): chance
   averages out over many merges, which no test of a single one can achieve. */
#include "tree.h"
#include "bits.h"
#include "clones.h"
#include "distances.h"

#include <math.h>
#include <string.h>

#define PSEUDO_MEMBERS 12.0
#define FLOOR 0.5    /* of the squared spacing: no crowd is thinner */
#define SINGLE 1.5   /* weight up to which a micro-cluster may be an outlier */
#define POINT 1e-12  /* total variance up to which all its points coincide */
#define APART 1e-18  /* squared distance from which two places differ */
#define TOUCH 2.0    /* spacings */
#define REMEMBERED_BITS 11
#define REMEMBERED (1 << REMEMBERED_BITS) /* valleys */
#define ROUNDING 1e-9 /* of the evidence; sums of it are not told apart by less */

void ncs_tree_lay_out(ncs_tree *t, const ncs_crowd *in, ncs_room *room)
{
    size_t m = in->count, n = in->recent_count, most = ncs_pitch(m > n ? m : n);
    size_t words = m * ncs_words(in->count), each = sizeof(double);
    t->in = in;
    t->m = in->count;
    t->d = in->dimension;
    t->board = ncs_room_take(room, (m + 1) * most, each);
    t->spacing = ncs_room_take(room, m, each);
    t->blur = ncs_room_take(room, m, each);
    t->touching = ncs_room_take(room, words, sizeof(uint64_t));
    t->near = ncs_room_take(room, words, sizeof(uint64_t));
    ncs_ward_lay_out(&t->ward, t->m, t->d, room);
    ncs_nodes_lay_out(&t->nodes, t->m, t->d, room);
    t->left = ncs_room_take(room, m, sizeof(int));
    t->right = ncs_room_take(room, m, sizeof(int));
    t->parent = ncs_room_take(room, 2 * m, sizeof(int));
    t->count = ncs_room_take(room, 2 * m, each);
    t->order = ncs_room_take(room, m, sizeof(int));
    t->evidence = ncs_room_take(room, m, each);
    t->ahead = ncs_room_take(room, ncs_padded(in->count), each);
    t->tested = ncs_room_take(room, REMEMBERED, sizeof(uint64_t));
    t->valley = ncs_room_take(room, REMEMBERED, each);
}

/* Return the distance to the second nearest, and in `apart` that to the nearest that is
 * somewhere else, 0 without any; all squared. */
NCS_CLONES
static double measure_spacing(const double *gap, int stride, double *apart)
{
    double first[NCS_ABREAST], second[NCS_ABREAST], other[NCS_ABREAST];
    for (int l = 0; l < NCS_ABREAST; l++)
        first[l] = second[l] = other[l] = INFINITY;
    for (int j = 0; j < stride; j += NCS_ABREAST)
        for (int l = 0; l < NCS_ABREAST; l++) {
            double v = gap[j + l], larger = v > first[l] ? v : first[l];
            first[l] = v < first[l] ? v : first[l];
            second[l] = larger < second[l] ? larger : second[l];
            v = v > APART ? v : INFINITY;
            other[l] = v < other[l] ? v : other[l];
        }
    for (int half = NCS_ABREAST / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) {
            double larger = first[l] > first[l + half] ? first[l] : first[l + half];
            first[l] = first[l] < first[l + half] ? first[l] : first[l + half];
            second[l] = second[l] < second[l + half] ? second[l] : second[l + half];
            second[l] = second[l] < larger ? second[l] : larger;
            other[l] = other[l] < other[l + half] ? other[l] : other[l + half];
        }
    *apart = other[0] < INFINITY ? other[0] : 0.0;
    return second[0] < INFINITY ? second[0] : first[0];
}

/* Make the node of a micro-cluster. */
static void plant(ncs_tree *t, int i, double apart)
{
    const ncs_crowd *in = t->in;
    ncs_nodes *n = &t->nodes;
    int d = t->d;
    double spread = 0.0, w = in->weight[i], *scatter = n->scatter + (long)i * n->s;
    for (int k = 0; k < d; k++)
        spread += in->spread[(long)k * in->stride + i];
    int point = spread <= POINT;
    t->blur[i] = point && w > SINGLE ? apart / d : 0.0;
    t->count[i] = point && w > 1.0 ? 1.0 : w;
    n->mass[i] = w;
    n->size[i] = 1;
    double least = w > SINGLE ? FLOOR * apart / d : 0.0;
    memset(scatter, 0, n->s * sizeof *scatter);
    for (int k = 0; k < d; k++) {
        double v = in->spread[(long)k * in->stride + i];
        scatter[n->full ? ncs_packed(k, k) : k] = w * (v + least);
    }
}

/* Make the set of all whose gap is within their limit and within `most`. */
NCS_CLONES
static void collect(const double *gap, int stride, const double *limit, double most,
                    uint64_t *set)
{
    uint64_t bit[NCS_ABREAST];
    for (int l = 0; l < NCS_ABREAST; l++)
        bit[l] = (uint64_t)1 << l;
    for (int j = 0; j < stride; j += NCS_ABREAST, gap += NCS_ABREAST) {
        const double *own = limit + j;
        uint64_t word = 0;
        for (int l = 0; l < NCS_ABREAST; l++) {
            double least = own[l] < most ? own[l] : most;
            uint64_t within = gap[l] <= least;
            word |= bit[l] & (0 - within);
        }
        set[j / 64] = j % 64 ? set[j / 64] | word << 32 : word;
    }
}

/* Measure the gaps between micro-clusters, and what depends on them alone. */
static void measure(ncs_tree *t)
{
    const ncs_crowd *in = t->in;
    int m = t->m, d = t->d, stride = t->ward.stride, words = ncs_words(m);
    int pitch = t->ward.pitch;
    double apart, *limit = t->ahead, reach = in->reach * in->reach;
    for (int k = 0; k < d; k++)
        for (int i = 0; i < stride; i++)
            t->ward.place[(long)k * stride + i] =
                i < m ? in->centres[(long)k * in->stride + i] : INFINITY;
    for (int i = 0; i < m; i++) { /* of each row what is right of the diagonal */
        int from = i / NCS_ABREAST * NCS_ABREAST;
        for (int k = 0; k < d; k++)
            t->nodes.mean[(long)i * d + k] = t->ward.place[(long)k * stride + i];
        ncs_squared_distances(t->ward.place + from, d, stride, stride - from,
                              t->nodes.mean + (long)i * d,
                              t->board + (long)i * pitch + from);
    }
    ncs_mirror(t->board, pitch, m);
    for (int i = 0; i < m; i++) {
        double *gap = t->board + (long)i * pitch;
        gap[i] = INFINITY;
        t->spacing[i] = measure_spacing(gap, stride, &apart);
        plant(t, i, apart);
    }
    for (int i = 0; i < stride; i++)
        limit[i] = i < m ? TOUCH * TOUCH * t->spacing[i] : 0.0;
    for (int i = 0; i < m; i++)
        collect(t->board + (long)i * pitch, stride, limit, limit[i],
                t->touching + i * words);
    for (int i = 0; i < stride; i++)
        limit[i] = i < m ? reach : 0.0;
    for (int i = 0; i < m; i++)
        collect(t->board + (long)i * pitch, stride, limit, reach, t->near + i * words);
}

NCS_CLONES
static void join(ncs_tree *t, int node, int a, int b)
{
    const ncs_nodes *n = &t->nodes;
    int d = t->d, s = n->s;
    double mass = n->mass[a] + n->mass[b], share = n->mass[b] / mass;
    double f = n->mass[a] * share, *restrict sum = n->scatter + (long)node * s;
    const double *sa = n->scatter + (long)a * s, *sb = n->scatter + (long)b * s;
    const double *ma = n->mean + (long)a * d, *mb = n->mean + (long)b * d;
    double *restrict mean = n->mean + (long)node * d;
    for (int i = 0; i < s; i++)
        sum[i] = sa[i] + sb[i];
    for (int i = 0; i < d; i++) {
        double g = mb[i] - ma[i];
        mean[i] = ma[i] + share * g;
        if (n->full)
            for (int k = 0; k <= i; k++)
                sum[ncs_packed(i, k)] += f * g * (mb[k] - ma[k]);
        else
            sum[i] += f * g * g;
    }
    n->mass[node] = mass;
    t->count[node] = t->count[a] + t->count[b];
    n->size[node] = n->size[a] + n->size[b];
    t->parent[a] = t->parent[b] = node;
}

static void merge(ncs_tree *t)
{
    const ncs_nodes *n = &t->nodes;
    int m = t->m, a, b;
    ncs_ward_begin(&t->ward, t->board, t->in->weight);
    for (int step = 0; step < m - 1; step++) {
        int made = m + step;
        ncs_ward_next(&t->ward, &a, &b);
        t->left[step] = t->ward.node[a];
        t->right[step] = t->ward.node[b];
        join(t, made, t->left[step], t->right[step]);
        ncs_ward_replace(&t->ward, a, b, made, n->mean + (long)made * t->d,
                         n->mass[made]);
    }
    t->parent[2 * m - 2] = 2 * m;
}

/* Put the members of every node side by side. */
static void arrange(ncs_tree *t)
{
    ncs_nodes *n = &t->nodes;
    const ncs_crowd *in = t->in;
    int m = t->m;
    n->first[2 * m - 2] = 0;
    for (int step = m - 2; step >= 0; step--) {
        int a = t->left[step], b = t->right[step];
        n->first[a] = n->first[m + step];
        n->first[b] = n->first[a] + n->size[a];
    }
    for (int i = 0; i < m; i++)
        t->order[n->first[i]] = i;
    for (int p = 0; p < m; p++) {
        n->w[p] = in->weight[t->order[p]];
        n->blur[p] = t->blur[t->order[p]];
    }
    for (int k = 0; k < t->d; k++)
        for (int p = 0; p < m; p++) {
            long from = (long)k * in->stride + t->order[p];
            n->x[(long)k * n->stride + p] = in->centres[from];
            n->v[(long)k * n->stride + p] = in->spread[from];
        }
}

/* How many members the smaller of two nodes has. */
static double smaller(const ncs_tree *t, int a, int b)
{
    return t->count[a] < t->count[b] ? t->count[a] : t->count[b];
}

void ncs_tree_seen(ncs_tree *t, int count, const int *a, const int *b,
                   double pseudo_members, double *seen)
{
    int one[NCS_LANES], other[NCS_LANES], place[NCS_LANES], asked = 0;
    double valley[NCS_LANES];
    for (int i = 0; i < count; i++) {
        int low = a[i] < b[i] ? a[i] : b[i], high = a[i] < b[i] ? b[i] : a[i];
        uint64_t pair = (uint64_t)low << 32 | (uint64_t)high;
        int at = (int)(pair * 0x9E3779B97F4A7C15u >> (64 - REMEMBERED_BITS));
        seen[i] = t->valley[at];
        if (t->tested[at] == pair)
            continue;
        t->tested[at] = pair;
        one[asked] = low;
        other[asked] = high;
        place[asked++] = i;
    }
    if (asked)
        ncs_valleys(&t->nodes, asked, one, other, valley);
    for (int i = 0; i < asked; i++) {
        uint64_t pair = (uint64_t)one[i] << 32 | (uint64_t)other[i];
        int at = (int)(pair * 0x9E3779B97F4A7C15u >> (64 - REMEMBERED_BITS));
        t->valley[at] = seen[place[i]] = valley[i];
    }
    for (int i = 0; i < count; i++) {
        double fewer = smaller(t, a[i], b[i]);
        seen[i] = (fewer * seen[i] + pseudo_members) / (fewer + pseudo_members);
    }
}

/* Bound what each cut may have on top of the evidence of the ones before it. */
static void look_ahead(ncs_tree *t)
{
    int m = t->m;
    t->ahead[m - 1] = 0.0;
    for (int k = m; k > 1; k--) { /* undoing merge m - k makes k pieces */
        double fewer = smaller(t, t->left[m - k], t->right[m - k]);
        double least = PSEUDO_MEMBERS / (fewer + PSEUDO_MEMBERS);
        double most = fewer * (t->in->threshold - least);
        t->ahead[k - 2] = t->ahead[k - 1] + (most > 0.0 ? most : 0.0);
    }
}

/* The last merge is the first to be undone. */
static void find_evidence(ncs_tree *t, int cuts)
{
    int m = t->m, a[NCS_LANES], b[NCS_LANES];
    double seen[NCS_LANES], peak = 0.0;
    look_ahead(t);
    t->evidence[0] = 0.0;
    for (t->known = 1; t->known < m;) {
        double last = t->evidence[t->known - 1], slack = ROUNDING * (1.0 + fabs(peak));
        if (t->known >= cuts && last + t->ahead[t->known - 1] < peak - slack)
            return;
        int left = m - t->known, count = left < NCS_LANES ? left : NCS_LANES;
        for (int i = 0; i < count; i++) {
            a[i] = t->left[left - 1 - i];
            b[i] = t->right[left - 1 - i];
        }
        ncs_tree_seen(t, count, a, b, PSEUDO_MEMBERS, seen);
        for (int i = 0; i < count; i++) {
            double fewer = smaller(t, a[i], b[i]);
            last += fewer * (t->in->threshold - seen[i]);
            t->evidence[t->known++] = last;
            peak = last > peak ? last : peak;
        }
    }
}

void ncs_tree_grow(ncs_tree *t, int cuts)
{
    memset(t->tested, 0, REMEMBERED * sizeof *t->tested);
    measure(t);
    merge(t);
    arrange(t);
    find_evidence(t, cuts);
}

void ncs_tree_cut(const ncs_tree *t, int k, int *nodes)
{
    int before = 2 * t->m - k; /* nodes made later are undone */
    for (int node = before - 1, count = 0; count < k; node--)
        if (t->parent[node] >= before)
            nodes[count++] = node;
}
