#include "boxes.h"

#include <string.h>

#include "clones.h"
#include "select.h"

/* Which points are in a node: places of `who`, in the order of the points. */
typedef struct {
    ptrdiff_t from, until;
} range;

/* Mean of each feature over some points. */
NCS_CLONES
static void find_means(const double *z, ptrdiff_t d, const ptrdiff_t *who,
                       ptrdiff_t count, double *restrict mean)
{
    for (ptrdiff_t j = 0; j < d; j++)
        mean[j] = 0.0;
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < d; j++)
            mean[j] += z[who[i] * d + j];
    for (ptrdiff_t j = 0; j < d; j++)
        mean[j] /= (double)count;
}

/* Sum of squared deviations of each feature. */
NCS_CLONES
static void find_squares(const double *z, ptrdiff_t d, const ptrdiff_t *who,
                         ptrdiff_t count, const double *mean, double *restrict squares)
{
    for (ptrdiff_t j = 0; j < d; j++)
        squares[j] = 0.0;
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t j = 0; j < d; j++) {
            double off = z[who[i] * d + j] - mean[j];
            squares[j] += off * off;
        }
}

/* Cut one node; return where its right part begins. */
static ptrdiff_t cut(const ncs_boxes *b, int node, range own, ptrdiff_t *spare)
{
    ptrdiff_t d = b->dimension, count = own.until - own.from, *who = b->who + own.from;
    ptrdiff_t left = 0, right = 0, widest = 0;
    double *mean = b->sums, *squares = mean + d;
    b->feature[node] = 0;
    b->cut[node] = 0.0;
    if (count == 0)
        return own.from;
    find_means(b->z, d, who, count, mean);
    find_squares(b->z, d, who, count, mean, squares);
    for (ptrdiff_t j = 1; j < d; j++)
        widest = squares[j] > squares[widest] ? j : widest;
    for (ptrdiff_t i = 0; i < count; i++)
        b->values[i] = b->z[who[i] * d + widest];
    b->feature[node] = widest;
    b->cut[node] = ncs_median(b->values, count);
    for (ptrdiff_t i = 0; i < count; i++)
        if (b->z[who[i] * d + widest] > b->cut[node])
            spare[right++] = who[i];
        else
            who[left++] = who[i];
    memcpy(who + left, spare, right * sizeof *who);
    return own.from + left;
}

/* Find the middle of a box, and how far its points are from it. */
static void measure(const ncs_boxes *b, int box, range own)
{
    ptrdiff_t d = b->dimension, count = own.until - own.from, *who = b->who + own.from;
    b->reach[box] = 0.0;
    memset(b->sums, 0, d * sizeof *b->sums);
    if (count)
        find_means(b->z, d, who, count, b->sums);
    for (ptrdiff_t j = 0; j < d; j++)
        b->middle[j * NCS_BOXES + box] = (float)b->sums[j];
    for (ptrdiff_t i = 0; i < count; i++) {
        b->values[i] = 0.0;
        for (ptrdiff_t j = 0; j < d; j++) {
            double off = b->z[who[i] * d + j] - (double)b->middle[j * NCS_BOXES + box];
            b->values[i] += off * off;
        }
    }
    /* They are nearer, by that, than points which the middle is not of. */
    if (count > 1)
        b->reach[box] = ncs_median(b->values, count) / ((count - 1.0) / (count + 1.0));
}

void ncs_cut_boxes(const ncs_boxes *b, ptrdiff_t n)
{
    range own[2 * NCS_BOXES] = {[1] = {0, n}};
    b->feature[0] = 0;
    b->cut[0] = 0.0;
    for (ptrdiff_t i = 0; i < n; i++)
        b->who[i] = i;
    for (int node = 1; node < NCS_BOXES; node++) {
        ptrdiff_t right = cut(b, node, own[node], b->who + n);
        own[2 * node] = (range){own[node].from, right};
        own[2 * node + 1] = (range){right, own[node].until};
    }
    for (int box = 0; box < NCS_BOXES; box++)
        measure(b, box, own[NCS_BOXES + box]);
}
