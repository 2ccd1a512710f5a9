#include "ledger.h"

ptrdiff_t ncs_column(const ncs_ledger *ledger, int64_t cluster)
{
    const int64_t *from = ledger->ids;
    /* Without a jump that depends on the data: clusters come in no order. */
    for (ptrdiff_t left = ledger->columns; left > 1; left -= left / 2)
        from += from[left / 2] <= cluster ? left / 2 : 0;
    return *from == cluster ? from - ledger->ids : -1;
}

void ncs_count(const ncs_ledger *ledger, int64_t cluster, int64_t at)
{
    double *values = ledger->values;
    ptrdiff_t column = ncs_column(ledger, cluster);
    ncs_counts(ledger, NCS_TAKEN)[column]++;
    ncs_counts(ledger, NCS_VISITS)[column] += values[NCS_LAST_ID] != (double)cluster;
    ncs_counts(ledger, NCS_SEEN)[column] = at;
    ncs_counts(ledger, NCS_UNREAD)[column]++;
    values[NCS_LAST_ID] = (double)cluster;
    values[NCS_AT] = (double)at;
}
