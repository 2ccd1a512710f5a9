#include "watch.h"

#include <math.h>
#include <string.h>

#include "numbers.h"
#include "score.h"

/* Of memory.py. */
#define FAST_POINTS 600.0
#define SLOW_POINTS 8000.0
#define TRUSTED_POINTS 1000.0

/* Of strangeness.py. */
#define DEVIATIONS 6.0
#define PAST_SAMPLE 256.0
#define LOOKS_MEMORY 32.0
#define LOOKS_BEFORE_TRUST 4.0
#define OUTLYING 9.0

/* Of silence.py. */
#define MISSED 16.0
#define RECORD 1.5
#define RECORD_HALF_LIFE 16384.0
#define LONG 4.0
#define BACK 0.5

#define SUSPICIOUS 0.5 /* of drift.py */

typedef struct {
    double points, mean, square, correlation;
} sample;

static double rate(double block, double points, double memory)
{
    return ncs_larger(1.0 - exp(-block / memory), block / points);
}

static double sizes(double recent, double past)
{
    return 1.0 / ncs_larger(1.0, ncs_smaller(recent, FAST_POINTS)) +
           1.0 / ncs_smaller(past, SLOW_POINTS);
}

/* Return how strange the points since the last look are; the next sample begins. */
static sample take_sample(double *background)
{
    double *b = background, points = b[NCS_POINTS], n = ncs_larger(points, 1.0);
    sample s = {points, b[NCS_TOTAL] / n, b[NCS_SQUARES] / n, 0.0};
    if (b[NCS_VARIANCE] > 0.0 && b[NCS_COVARIANCE] > 0.0)
        s.correlation = ncs_smaller(1.0, b[NCS_COVARIANCE] / b[NCS_VARIANCE]);
    b[NCS_POINTS] = b[NCS_TOTAL] = b[NCS_SQUARES] = 0.0;
    return s;
}

static double variance_of(const double *s)
{
    return s[NCS_S_SQUARE] - s[NCS_S_PAST] * s[NCS_S_PAST];
}

static void follow_wander(double *s, const sample *taken)
{
    double variance = variance_of(s), apart = taken->mean - s[NCS_S_PAST];
    if (variance <= 1e-12 || s[NCS_S_POINTS] < PAST_SAMPLE)
        return;
    double chance = variance * sizes(taken->points, s[NCS_S_POINTS]);
    double ratio = apart * apart / chance;
    if (s[NCS_S_LOOKS] >= LOOKS_BEFORE_TRUST)
        ratio = ncs_smaller(ratio, OUTLYING * ncs_larger(1.0, s[NCS_S_WANDER]));
    s[NCS_S_LOOKS] += 1.0;
    double looks = ncs_smaller(s[NCS_S_LOOKS], LOOKS_MEMORY);
    s[NCS_S_WANDER] += (ratio - s[NCS_S_WANDER]) / looks;
}

static void take_strangeness(double *s, const sample *taken)
{
    if (taken->points == 0.0)
        return;
    follow_wander(s, taken);
    s[NCS_S_FRESH] += taken->points;
    s[NCS_S_POINTS] += taken->points;
    double fast = rate(taken->points, s[NCS_S_FRESH], FAST_POINTS);
    double slow = rate(taken->points, s[NCS_S_POINTS], SLOW_POINTS);
    s[NCS_S_RECENT] += fast * (taken->mean - s[NCS_S_RECENT]);
    s[NCS_S_PAST] += slow * (taken->mean - s[NCS_S_PAST]);
    s[NCS_S_SQUARE] += slow * (taken->square - s[NCS_S_SQUARE]);
}

/* Return the share of points that fall elsewhere, or 0 if it may be chance. */
static double likelihood(const double *s, double correlation)
{
    double variance = variance_of(s);
    if (variance <= 1e-12 || s[NCS_S_POINTS] < TRUSTED_POINTS)
        return 0.0;
    double apart = fabs(s[NCS_S_RECENT] - s[NCS_S_PAST]) / sqrt(variance);
    double inflation = (1.0 + correlation) / ncs_larger(1.0 - correlation, 1e-3);
    double chance = sizes(s[NCS_S_FRESH], s[NCS_S_POINTS]);
    chance *= ncs_larger(inflation, s[NCS_S_WANDER]);
    return apart >= DEVIATIONS * sqrt(chance) ? ncs_smaller(1.0, 0.4 * apart) : 0.0;
}

/* Return by how much shares differ by chance, all added up. */
static double noise(const ncs_ledger *ledger)
{
    const double *slow = ncs_shares(ledger, NCS_SLOW), *came = ncs_shares(ledger, NCS_CAME);
    double total = 0.0;
    for (ptrdiff_t i = 0; i < ledger->columns; i++) {
        double past = ncs_smaller(slow[i], 1.0), spread = past * (1.0 - past);
        if (spread <= 0.0)
            continue;
        double apart = ncs_smaller(1.0, ncs_larger(came[i] / spread, 1e-3));
        double inflation = (2.0 - apart) / apart;
        total += 2.0 * sqrt(NCS_TWO_OVER_PI * spread * inflation);
    }
    return total;
}

/* Return the total variation distance of n points from the long run, less chance. */
static double occupancy(const ncs_ledger *ledger, double n)
{
    const int64_t *points = ncs_counts(ledger, NCS_TAKEN);
    const double *slow = ncs_shares(ledger, NCS_SLOW);
    double *spread = &ledger->values[NCS_SHARES_SPREAD], total = 0.0, known = 0.0;
    for (ptrdiff_t i = 0; i < ledger->columns; i++)
        if (slow[i] > 0.0) {
            total += fabs((double)points[i] / n - slow[i]);
            known += (double)points[i];
        }
    total += (n - known) / n;
    if (*spread < 0.0)
        *spread = noise(ledger);
    return 0.5 * (total - *spread * sqrt(sizes(n, ledger->values[NCS_SHARES_POINTS])));
}

/* Return how many visits a cluster with a share has missed, or 0 if they are few. */
static double missing(const ncs_ledger *ledger, ptrdiff_t column)
{
    double seen = (double)ncs_counts(ledger, NCS_SEEN)[column];
    if (column == 0 || seen == 0.0 || ncs_shares(ledger, NCS_SLOW)[column] <= 0.0)
        return 0.0;
    double waits = ledger->values[NCS_AT] - seen;
    double missed = waits * ncs_shares(ledger, NCS_CAME)[column];
    return missed >= LONG ? missed : 0.0;
}

/* Return the long-run share of the clusters that have missed enough. */
static double lost(const ncs_ledger *ledger)
{
    double enough = ncs_larger(MISSED, RECORD * ledger->values[NCS_SILENCE_RECORD]);
    double total = 0.0;
    for (ptrdiff_t i = 0; i < ledger->columns; i++)
        if (missing(ledger, i) >= enough)
            total += ncs_shares(ledger, NCS_SLOW)[i];
    return total;
}

/* Learn from the last n points which waits have ended. */
static void follow_silence(const ncs_ledger *ledger, double n)
{
    const int64_t *points = ncs_counts(ledger, NCS_TAKEN);
    const double *slow = ncs_shares(ledger, NCS_SLOW);
    double *waiting = ncs_shares(ledger, NCS_WAITING);
    double *record = &ledger->values[NCS_SILENCE_RECORD];
    *record *= pow(0.5, n / RECORD_HALF_LIFE);
    for (ptrdiff_t i = 0; i < ledger->columns; i++) {
        if ((double)points[i] > BACK * slow[i] * n)
            *record = ncs_larger(*record, waiting[i]);
        waiting[i] = missing(ledger, i);
    }
}

/* Put the points since the last look to those before it. */
static void be_calm(const ncs_ledger *ledger)
{
    int64_t *points = ncs_counts(ledger, NCS_TAKEN);
    int64_t *calm = ncs_counts(ledger, NCS_CALM_TAKEN);
    ptrdiff_t both = 2 * ledger->columns; /* visits come next */
    for (ptrdiff_t i = 0; i < both; i++)
        calm[i] += points[i];
    memset(points, 0, both * sizeof *points);
}

static int is_suspicious(const ncs_watch *watch, double threshold, double correlation,
                         double n)
{
    const ncs_ledger *ledger = &watch->ledger;
    if (likelihood(watch->strangeness, correlation) >= threshold)
        return 1;
    return n > 0.0 && (lost(ledger) > 0.1 * threshold ||
                       occupancy(ledger, n) >= SUSPICIOUS * threshold);
}

int ncs_look(const ncs_watch *watch, ncs_ring recent, double sensitivity, double *scratch)
{
    const ncs_ledger *ledger = &watch->ledger;
    double *values = ledger->values, n = values[NCS_AT] - values[NCS_LOOKED];
    sample taken = take_sample(watch->background);
    int found = ncs_take_recent(&watch->distribution, recent, (int64_t)values[NCS_AT],
                                sensitivity, scratch);
    take_strangeness(watch->strangeness, &taken);
    if ((values[NCS_REPORTED] > 0.0 || values[NCS_SHARES_POINTS] >= TRUSTED_POINTS) &&
        is_suspicious(watch, 0.35 - 0.3 * sensitivity, taken.correlation, n))
        return 1;
    follow_silence(ledger, n);
    be_calm(ledger);
    values[NCS_LOOKED] = values[NCS_AT];
    return found;
}
