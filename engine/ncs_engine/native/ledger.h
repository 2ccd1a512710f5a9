/* What is counted per cluster; twin: ledger.py, where it is explained. */
#ifndef NCS_LEDGER_H
#define NCS_LEDGER_H

#include <stddef.h>
#include <stdint.h>

/* Rows of Ledger.counts. */
enum {
    NCS_TAKEN, NCS_VISITS, NCS_CALM_TAKEN, NCS_CALM_VISITS, NCS_SEEN, NCS_UNREAD,
    NCS_COUNTS
};

/* Rows of Ledger.shares. */
enum { NCS_FAST, NCS_SLOW, NCS_CAME, NCS_WAITING, NCS_SHARES };

/* Places in Ledger.values. */
enum {
    NCS_SHARES_FRESH, NCS_SHARES_POINTS, NCS_SHARES_SPREAD, NCS_SILENCE_RECORD,
    NCS_LOOKED, NCS_REPORTED, NCS_LAST_ID, NCS_AT, NCS_LEDGER_SIZE
};

typedef struct {
    ptrdiff_t columns;
    const int64_t *ids; /* (columns), rising; the first is -1, for outliers */
    int64_t *counts;    /* (NCS_COUNTS, columns) */
    double *shares;     /* (NCS_SHARES, columns) */
    double *values;     /* (NCS_LEDGER_SIZE) */
} ncs_ledger;

static inline int64_t *ncs_counts(const ncs_ledger *ledger, int row)
{
    return ledger->counts + row * ledger->columns;
}

static inline double *ncs_shares(const ncs_ledger *ledger, int row)
{
    return ledger->shares + row * ledger->columns;
}

/* Return the column of a cluster, or -1. */
ptrdiff_t ncs_column(const ncs_ledger *ledger, int64_t cluster);

/* Count a point, the one numbered `at`; INOUT ledger, with a column for its cluster. */
void ncs_count(const ncs_ledger *ledger, int64_t cluster, int64_t at);

#endif
