#include "distribution.h"

#include <math.h>
#include <string.h>

#include "numbers.h"

#define BLOCK 256
#define PAST (4.0 * BLOCK)
#define PAST_MEMORY 8192.0
#define LEAST_SHARE 0.01
#define USEFUL 0.25
#define FOR_CELLS 256.0

/* Of dispersion.py. */
#define MEMORY 32.0
#define AT_FIRST 4.0
#define KNOWN 6.0
#define OUTLYING 4.0
#define SURE 2.6
#define CARE 0.25
#define MOST 0.95

int ncs_has_cells(const ncs_distribution *distribution)
{
    return distribution->values[NCS_GATHERED] >= FOR_CELLS;
}

/* Return how unlikely chi-square over its degrees of freedom is, as a z-score. */
static double normal_deviate(double ratio, double freedom)
{
    double spread = 2.0 / (9.0 * ncs_larger(freedom, 0.5));
    return (pow(ncs_larger(ratio, 0.0), 1.0 / 3.0) - (1.0 - spread)) / sqrt(spread);
}

static void learn_one(double *mean, double rate, int known, double ratio)
{
    double *variance = mean + 1, gap = ratio - *mean;
    if (known)
        gap = ncs_smaller(gap, OUTLYING * sqrt(*variance));
    *mean += rate * gap;
    *variance += rate * (gap * gap - *variance);
}

/* Let the dispersion take a block; `far` is of no meaning without `has_far`. */
static void learn(double *usual, double freedom, double near, double far, int has_far)
{
    if (usual[1] == 0.0) {
        usual[0] = usual[2] = 1.0;
        usual[1] = usual[3] = 2.0 / freedom;
    }
    double rate = 1.0 / ncs_smaller(usual[4] + AT_FIRST, MEMORY);
    int known = usual[4] >= KNOWN;
    learn_one(usual, rate, known, near);
    if (has_far)
        learn_one(usual + 2, rate, known, far);
    usual[4] += has_far;
}

/* Return by what to divide chi-square; INOUT like, its degrees of freedom. */
static double correct(const double *usual, double freedom, double *like)
{
    if (usual[4] < KNOWN)
        return INFINITY;
    double near = usual[0], v1 = usual[1], far = usual[2], v2 = usual[3];
    double n = ncs_larger(1.0, ncs_smaller(usual[4], MEMORY));
    double error = sqrt((v1 / (near * near) + v2 / (far * far)) / n);
    double r = far / near - 1.0;
    r = r > SURE * error ? ncs_smaller(MOST, r) : 0.0;
    if (r == 0.0 && near <= 1.0 + SURE * sqrt(2.0 / freedom / n))
        return 1.0;
    near += SURE * sqrt(v1 / n);
    double lasting = (1.0 + r) / (1.0 - r);
    double varied = ncs_larger(1.0, near / (1.0 - r));
    *like = ncs_smaller(*like, CARE * 2.0 * near * near / v1) / lasting;
    return varied * lasting;
}

/* Return the share of points in other cells, less what is so by chance. */
static double total_variation(const ncs_distribution *in, int blocks, double factor)
{
    double window[NCS_CELLS] = {0.0}, n = 0.0, m = 0.0, apart = 0.0, noise = 0.0;
    for (int block = NCS_BLOCKS - blocks; block < NCS_BLOCKS; block++)
        for (int i = 0; i < NCS_CELLS; i++)
            window[i] += in->recent[block * NCS_ALL_CELLS + i];
    for (int i = 0; i < NCS_CELLS; i++) {
        n += window[i];
        m += in->past[i];
    }
    for (int i = 0; i < NCS_CELLS; i++) {
        double share = (window[i] + in->past[i]) / (n + m);
        apart += fabs(window[i] / n - in->past[i] / m);
        noise += sqrt(NCS_TWO_OVER_PI * factor * share * (1.0 - share));
    }
    return 0.5 * (apart - noise * sqrt(1.0 / n + 1.0 / m));
}

/* Put the block into `recent`; OUT leaves, what has to go into `past`. */
static void push(const ncs_distribution *in, int32_t *leaves)
{
    double *values = in->values, past = 0.0;
    int32_t *youngest = in->recent + (NCS_BLOCKS - 1) * NCS_ALL_CELLS;
    size_t bytes = NCS_ALL_CELLS * sizeof *leaves;
    memcpy(leaves, in->recent, bytes);
    memmove(in->recent, in->recent + NCS_ALL_CELLS, (NCS_BLOCKS - 1) * bytes);
    memcpy(youngest, in->block, NCS_CELLS * sizeof *leaves);
    for (int i = 0; i < NCS_COARSE; i++) {
        /* The same ring of four neighbouring boxes. */
        const int32_t *first = in->block + i / 2 * 8 + i % 2;
        youngest[NCS_CELLS + i] = first[0] + first[2] + first[4] + first[6];
    }
    memset(in->block, 0, NCS_CELLS * sizeof *leaves);
    values[NCS_FULL_BLOCKS] += 1.0;
    for (int i = 0; i < NCS_CELLS; i++)
        past += in->past[i];
    if (past < PAST) {
        memcpy(leaves, youngest, bytes);
    } else if (values[NCS_HELD] < NCS_BLOCKS) {
        values[NCS_HELD] += 1.0;
        memset(leaves, 0, bytes);
    }
}

/* Forget the past; cells have to be built anew. */
static void begin(const ncs_distribution *in)
{
    double *values = in->values;
    memset(in->past, 0, NCS_ALL_CELLS * sizeof *in->past);
    memset(in->recent, 0, NCS_BLOCKS * NCS_ALL_CELLS * sizeof *in->recent);
    memset(in->block, 0, NCS_CELLS * sizeof *in->block);
    values[NCS_GATHERED] = values[NCS_FULL_BLOCKS] = values[NCS_HELD] = 0.0;
    values[NCS_SHIFTED] = 0.0;
}

/* Let a block become the past. */
static void pass(const ncs_distribution *in, const int32_t *leaves)
{
    double total = 0.0, squares = 0.0;
    for (int i = 0; i < NCS_ALL_CELLS; i++)
        in->past[i] += leaves[i];
    for (int i = 0; i < NCS_CELLS; i++)
        total += in->past[i];
    if (total > PAST_MEMORY) {
        double kept = PAST_MEMORY / total;
        for (int i = 0; i < NCS_ALL_CELLS; i++)
            in->past[i] *= kept;
        total = PAST_MEMORY;
    }
    for (int i = 0; i < NCS_CELLS; i++)
        squares += in->past[i] * in->past[i];
    if (total * total < USEFUL * NCS_CELLS * squares)
        begin(in);
}

/* Take the block, compare it with the past, and let it become that. */
static void close_block(const ncs_distribution *in, double enough)
{
    double told[3][NCS_LEVELS][NCS_PAIRS], *values = in->values;
    int32_t leaves[NCS_ALL_CELLS];
    push(in, leaves);
    ncs_chi_squares(in->past, in->recent, &told[0][0][0]);
    for (int level = 0; level < NCS_LEVELS; level++) {
        const double *ratio = told[0][level], *freedom = told[1][level];
        double *usual = in->usual + level * NCS_DISPERSION_SIZE;
        for (int i = 0; i < 2; i++) {
            int blocks = i ? NCS_BLOCKS : 1;
            double like = told[2][level][i];
            if (values[NCS_HELD] < blocks || normal_deviate(ratio[i], like) <= enough)
                continue;
            double factor = correct(usual, freedom[i], &like);
            if (normal_deviate(ratio[i] / factor, like) > enough) {
                double moved = total_variation(in, blocks, factor);
                values[NCS_SHIFTED] =
                    ncs_larger(ncs_larger(values[NCS_SHIFTED], moved), LEAST_SHARE);
            }
        }
        if (values[NCS_FULL_BLOCKS] > 1.0 && values[NCS_SHIFTED] == 0.0)
            learn(usual, freedom[2], ratio[2], ratio[3],
                  values[NCS_FULL_BLOCKS] > NCS_BLOCKS - 1);
    }
    if (values[NCS_SHIFTED] == 0.0)
        pass(in, leaves);
}

int ncs_take_recent(const ncs_distribution *distribution, ncs_ring recent, int64_t at,
                    double sensitivity, double *scratch)
{
    double *values = distribution->values;
    const ptrdiff_t d = distribution->histogram.dimension;
    int64_t count = 0, new = at - (int64_t)values[NCS_TOLD];
    values[NCS_TOLD] = (double)at;
    if (new > recent.capacity)
        new = recent.capacity;
    for (int64_t i = 0; i < new; i++) {
        ptrdiff_t place = recent.at - 1 - i;
        place += place < 0 ? recent.capacity : 0;
        distribution->block[ncs_cell(&distribution->histogram, recent.points + place * d,
                                     scratch)]++;
    }
    for (int i = 0; i < NCS_CELLS; i++)
        count += distribution->block[i];
    if (new > 0 && count >= BLOCK)
        close_block(distribution, 4.7 - 2.0 * sensitivity);
    return values[NCS_SHIFTED] > 0.0;
}
