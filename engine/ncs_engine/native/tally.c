#include "tally.h"

ptrdiff_t ncs_tally(const int64_t *ids, ptrdiff_t start, ptrdiff_t stop,
                    int64_t before, ncs_count *counts)
{
    ptrdiff_t found = 0, at = 0;
    for (ptrdiff_t i = start; i < stop; i++) {
        /* Neighbours are often of one cluster: look first where the last one was. */
        if (found == 0 || counts[at].cluster != ids[i])
            for (at = 0; at < found && counts[at].cluster != ids[i]; at++)
                ;
        if (at == found)
            counts[found++] = (ncs_count){ids[i], 0, 0, 0};
        counts[at].points++;
        counts[at].visits += before != ids[i];
        before = ids[i];
        counts[at].last = i;
    }
    return found;
}

ptrdiff_t ncs_overlaps(const int64_t *a, const int64_t *b, const double *weight,
                       ptrdiff_t count, ncs_shared *shared)
{
    ptrdiff_t found = 0;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t at = 0;
        while (at < found && (shared[at].a != a[i] || shared[at].b != b[i]))
            at++;
        if (at == found)
            shared[found++] = (ncs_shared){a[i], b[i], 0.0};
        shared[at].weight += weight[i];
    }
    return found;
}
