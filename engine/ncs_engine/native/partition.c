/* Clusters as groups of micro-clusters.

   1. A Ward tree (Ward 1963) over the micro-clusters; at each merge the valley between
      the two sides is measured, and the evidence for keeping them apart counted.
   2. Every cut of a grid is a candidate. Evidence, silhouettes and a small price for
      every further cluster make a short list.
   3. In each candidate of the list, pieces that touch and have no valley between them
      are put together: that is how rings and bars come out whole. The candidate that
      also agrees best with the clusters in force is the answer. */
#include "partition.h"
#include "bits.h"
#include "quilt.h"
#include "silhouette.h"
#include "tree.h"

#include <math.h>
#include <string.h>

#define SHORT_LIST 12
#define EVIDENCE 1.0
#define POINT_SILHOUETTE 1.0
#define CENTRE_SILHOUETTE 0.5
#define AGREEMENT 0.6
#define PRICE 0.12         /* per e-fold of clusters */
#define TILING 0.31        /* below the threshold: pieces of one tiling join */
#define PSEUDO_LINKED 2.0  /* members that see no valley where pieces touch */

typedef struct {
    ncs_tree tree;
    ncs_silhouettes silhouettes;
    ncs_quilt quilt;
    uint64_t *reached;         /* scratch (words) */
    int *nodes, *piece;        /* of a cut; piece of each micro-cluster */
    int *old, old_count;       /* clusters in force, by numbers 0, 1, .. */
    int *best;                 /* the answer */
} choice;

typedef struct {
    double value;
    int k;
} candidate;

static const int BEYOND_16[] = {18, 21, 24, 28, 32, 37,  43,
                                50, 57, 66, 76, 87, 100, 115};

#define GRID (16 + (int)(sizeof BEYOND_16 / sizeof *BEYOND_16))

static int on_grid(int i) { return i < 16 ? i + 1 : BEYOND_16[i - 16]; }

/* Return up to how many pieces there are candidates by the grid. */
static int most_pieces(int m)
{
    int most = m / 2 > 1 ? m / 2 : 1;
    return most < on_grid(GRID - 1) ? most : on_grid(GRID - 1);
}

/* List the candidates, in how many pieces: those of the grid and the peak. */
static int list_candidates(const ncs_tree *t, int peak, int *pieces)
{
    int count = 0, most = most_pieces(t->m), told = 0;
    for (int i = 0; i < GRID && on_grid(i) <= most; i++) {
        if (peak < on_grid(i) && !told)
            pieces[count++] = peak;
        told |= peak <= on_grid(i);
        pieces[count++] = on_grid(i);
    }
    if (!told)
        pieces[count++] = peak;
    return count;
}

/* Put the best cuts on the list, best first; return how many. */
static int short_list(choice *t, candidate *list)
{
    const ncs_tree *tree = &t->tree;
    int pieces[GRID + 1], peak = 0, listed = 0;
    double value[GRID + 1];
    for (int k = 1; k < tree->known; k++)
        if (tree->evidence[k] > tree->evidence[peak])
            peak = k;
    double top = tree->evidence[peak];
    int count = list_candidates(tree, peak + 1, pieces);
    for (int c = 0; c < count; c++) {
        double share = top > 1e-6 ? tree->evidence[pieces[c] - 1] / top : 0.0;
        value[c] = EVIDENCE * (share > -1.0 ? share : -1.0) - PRICE * log(pieces[c]);
    }
    ncs_silhouettes *s = &t->silhouettes;
    ncs_add_point_silhouettes(s, count, pieces, POINT_SILHOUETTE, value);
    ncs_add_centre_silhouettes(s, count, pieces, CENTRE_SILHOUETTE, value);
    for (int c = 0; c < count; c++) {
        int at = listed < SHORT_LIST ? listed++ : SHORT_LIST;
        for (; at > 0 && list[at - 1].value < value[c]; at--)
            if (at < SHORT_LIST)
                list[at] = list[at - 1];
        if (at < SHORT_LIST)
            list[at] = (candidate){value[c], pieces[c]};
    }
    return listed;
}

/* Note the valleys that are seen between pieces. */
static void note(choice *t, int count, const int *a, const int *b)
{
    int one[NCS_LANES], other[NCS_LANES];
    double seen[NCS_LANES];
    for (int i = 0; i < count; i++) {
        one[i] = t->nodes[a[i]];
        other[i] = t->nodes[b[i]];
    }
    ncs_tree_seen(&t->tree, count, one, other, PSEUDO_LINKED, seen);
    for (int i = 0; i < count; i++)
        t->quilt.sum[ncs_triangle(a[i], b[i])] = seen[i];
}

/* Find the pieces that touch, and the valleys between them. */
static void meet(choice *t)
{
    const ncs_tree *tree = &t->tree;
    ncs_quilt *q = &t->quilt;
    int words = ncs_words(tree->m), a[NCS_LANES], b[NCS_LANES], count = 0;
    size_t pairs = (size_t)q->k * (q->k - 1) / 2;
    q->sum = tree->board;
    q->links = q->sum + pairs;
    memset(q->sum, 0, 2 * pairs * sizeof *q->sum);
    for (int i = 0; i < q->k; i++) {
        const int *member = tree->order + tree->nodes.first[t->nodes[i]];
        memset(t->reached, 0, words * sizeof *t->reached);
        for (int left = tree->nodes.size[t->nodes[i]]; left > 0; left--, member++)
            for (int w = 0; w < words; w++)
                t->reached[w] |= tree->touching[(long)*member * words + w];
        for (int w = 0; w < words; w++)
            for (uint64_t bits = t->reached[w]; bits; bits &= bits - 1) {
                int j = t->piece[64 * w + ncs_lowest(bits)];
                if (j >= i || q->links[ncs_triangle(i, j)] > 0.0)
                    continue;
                q->links[ncs_triangle(i, j)] = 1.0;
                a[count] = i;
                b[count++] = j;
                if (count == NCS_LANES) {
                    note(t, count, a, b);
                    count = 0;
                }
            }
    }
    if (count)
        note(t, count, a, b);
}

/* Number the clusters in force. */
static void number_old(choice *t)
{
    const int64_t *label = t->tree.in->label;
    t->old_count = 0;
    for (int i = 0; i < t->tree.m; i++) {
        t->old[i] = -1;
        for (int j = 0; j < i && t->old[i] < 0; j++)
            if (label[j] == label[i])
                t->old[i] = t->old[j];
        if (t->old[i] < 0 && label[i] >= 0)
            t->old[i] = t->old_count++;
    }
}

/* Adjusted Rand index (Hubert and Arabie 1985), weighted, of the pieces as they are put
   together; 0 if no cluster is in force. */
static double agreement(const choice *t)
{
    const ncs_crowd *in = t->tree.in;
    int k = t->quilt.k, old_count = t->old_count;
    double both = 0.0, rows = 0.0, columns = 0.0, total = 0.0;
    double *table = t->tree.board, *column = table + (size_t)k * old_count;
    memset(table, 0, (size_t)(k + 1) * old_count * sizeof *table);
    for (int i = 0; i < in->count; i++)
        if (t->old[i] >= 0) {
            table[(long)t->piece[i] * old_count + t->old[i]] += in->weight[i];
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

/* Cut the tree into k pieces; number them by micro-cluster. */
static void cut(choice *t, int k)
{
    const ncs_tree *tree = &t->tree;
    ncs_tree_cut(tree, k, t->nodes);
    for (int j = 0; j < k; j++) {
        const int *member = tree->order + tree->nodes.first[t->nodes[j]];
        for (int left = tree->nodes.size[t->nodes[j]]; left > 0; left--)
            t->piece[*member++] = j;
    }
}

static void choose(choice *t)
{
    int m = t->tree.m;
    candidate list[SHORT_LIST];
    double best = -INFINITY;
    memset(t->best, 0, m * sizeof *t->best);
    number_old(t);
    int count = short_list(t, list);
    for (int c = 0; c < count && list[c].value + AGREEMENT > best; c++) {
        cut(t, t->quilt.k = list[c].k);
        meet(t);
        ncs_quilt_sew(&t->quilt, t->tree.in->threshold - TILING);
        for (int i = 0; i < m; i++)
            t->piece[i] = ncs_quilt_group(&t->quilt, t->piece[i]);
        double value = list[c].value + AGREEMENT * agreement(t);
        if (value > best) {
            best = value;
            memcpy(t->best, t->piece, m * sizeof *t->best);
        }
    }
}

/* Parts of a component that are out of reach of each other are no longer one. */
static void take_apart(const choice *t, int64_t *part)
{
    int m = t->tree.m, words = ncs_words(m), count = 0, *todo = t->piece;
    uint64_t *rest = t->reached; /* of the component, that is in no part yet */
    for (int i = 0; i < m; i++)
        part[i] = -1;
    for (int i = 0; i < m; i++) {
        int waiting = 0;
        if (part[i] >= 0)
            continue;
        memset(rest, 0, words * sizeof *rest);
        for (int j = i + 1; j < m; j++)
            if (part[j] < 0 && t->best[j] == t->best[i])
                ncs_set_bit(rest, j);
        part[i] = count;
        todo[waiting++] = i;
        while (waiting) {
            const uint64_t *near = t->tree.near + (long)todo[--waiting] * words;
            for (int w = 0; w < words; w++) {
                uint64_t found = near[w] & rest[w];
                rest[w] &= ~found;
                for (; found; found &= found - 1) {
                    int j = 64 * w + ncs_lowest(found);
                    part[j] = count;
                    todo[waiting++] = j;
                }
            }
        }
        count++;
    }
}

static void lay_out(choice *t, const ncs_crowd *in, ncs_room *room)
{
    size_t m = in->count;
    ncs_tree_lay_out(&t->tree, in, room);
    ncs_silhouettes_lay_out(&t->silhouettes, &t->tree, room);
    ncs_quilt_lay_out(&t->quilt, in->count, room);
    t->reached = ncs_room_take(room, ncs_words(in->count), sizeof(uint64_t));
    t->nodes = ncs_room_take(room, m, sizeof(int));
    t->piece = ncs_room_take(room, m, sizeof(int));
    t->old = ncs_room_take(room, m, sizeof(int));
    t->best = ncs_room_take(room, m, sizeof(int));
}

size_t ncs_partition_bytes(const ncs_crowd *in)
{
    choice t;
    ncs_room room = {NULL, 0};
    lay_out(&t, in, &room);
    return room.used + NCS_ROOM_LINE;
}

void ncs_partition(const ncs_crowd *in, void *block, int64_t *component)
{
    choice t;
    ncs_room room = ncs_room_in(block);
    lay_out(&t, in, &room);
    ncs_tree_grow(&t.tree, most_pieces(in->count));
    choose(&t);
    take_apart(&t, component);
}
