/* Average linkage over pieces that touch.

   Many weak witnesses count for more than one: what the links of a whole tiling look
   like is the prior for each of them. Each piece knows its best partner among the
   earlier ones, so that putting two together costs O(k) most of the time. */
#include "quilt.h"

#define PRIOR_VALLEY 0.35
#define PRIOR_LINKS 4.0
#define OWN_LINKS 3.0

void ncs_quilt_lay_out(ncs_quilt *q, int m, ncs_room *room)
{
    q->group = ncs_room_take(room, m, sizeof(int));
    q->partner = ncs_room_take(room, m, sizeof(int));
    q->score = ncs_room_take(room, m, sizeof(double));
    q->prior = ncs_room_take(room, m, sizeof(double));
}

/* What the links of a whole tiling look like is the prior for each of its pieces. */
static void set_priors(ncs_quilt *q)
{
    int k = q->k, *first = q->partner;
    double *total = q->score, *count = q->prior;
    for (int i = 0; i < k; i++)
        q->group[i] = i;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < i; j++)
            if (q->links[ncs_triangle(i, j)] > 0.0)
                q->group[ncs_quilt_group(q, i)] = ncs_quilt_group(q, j);
    for (int i = 0; i < k; i++) {
        first[i] = ncs_quilt_group(q, i);
        total[i] = count[i] = 0.0;
    }
    for (int i = 0; i < k; i++)
        for (int j = 0; j < i; j++)
            if (q->links[ncs_triangle(i, j)] > 0.0) {
                total[first[i]] += q->sum[ncs_triangle(i, j)];
                count[first[i]] += 1.0;
            }
    for (int i = 0; i < k; i++)
        if (first[i] == i)
            q->prior[i] =
                (total[i] + PRIOR_LINKS * PRIOR_VALLEY) / (count[i] + PRIOR_LINKS);
    for (int i = 0; i < k; i++)
        q->prior[i] = q->prior[first[i]];
}

/* Take an earlier piece as partner if it is better than the one so far; of equal ones
 * the last. */
static void consider(ncs_quilt *q, int i, int j)
{
    double links = q->links[ncs_triangle(i, j)];
    if (links <= 0.0)
        return;
    double sum = q->sum[ncs_triangle(i, j)] + OWN_LINKS * q->prior[i];
    double score = sum / (links + OWN_LINKS);
    if (score > q->score[i] || (score == q->score[i] && j > q->partner[i])) {
        q->score[i] = score;
        q->partner[i] = j;
    }
}

static void find_partner(ncs_quilt *q, int i, double least)
{
    q->score[i] = least;
    q->partner[i] = -1;
    for (int j = 0; j < i; j++)
        if (q->group[j] == j)
            consider(q, i, j);
}

/* Let piece a have the links of b. */
static void take_over(ncs_quilt *q, int a, int b)
{
    q->group[b] = a;
    q->partner[b] = -1;
    for (int j = 0; j < q->k; j++)
        if (j != a && q->group[j] == j) {
            q->sum[ncs_triangle(a, j)] += q->sum[ncs_triangle(b, j)];
            q->links[ncs_triangle(a, j)] += q->links[ncs_triangle(b, j)];
        }
}

void ncs_quilt_sew(ncs_quilt *q, double least)
{
    set_priors(q);
    for (int i = 0; i < q->k; i++)
        q->group[i] = i;
    for (int i = 0; i < q->k; i++)
        find_partner(q, i, least);
    for (;;) {
        int b = -1;
        for (int i = 0; i < q->k; i++)
            if (q->partner[i] >= 0 && (b < 0 || q->score[i] >= q->score[b]))
                b = i;
        if (b < 0)
            return;
        int a = q->partner[b];
        take_over(q, a, b);
        find_partner(q, a, least);
        for (int i = a + 1; i < q->k; i++)
            if (q->group[i] == i && (q->partner[i] == a || q->partner[i] == b))
                find_partner(q, i, least);
            else if (q->group[i] == i)
                consider(q, i, a);
    }
}
