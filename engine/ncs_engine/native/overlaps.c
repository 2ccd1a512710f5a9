#include "overlaps.h"

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
