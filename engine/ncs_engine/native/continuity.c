#include "continuity.h"

/* Give every component its cluster and weights; return how many there are, or -1 if one
 * has two clusters. */
static ptrdiff_t inherit(const int64_t *component, const double *weight,
                         const int64_t *label, ptrdiff_t count, ncs_heir *heirs)
{
    ptrdiff_t found = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        heirs[i] = (ncs_heir){-1, 0.0, 0.0};
    for (ptrdiff_t i = 0; i < count; i++) {
        ncs_heir *heir = heirs + component[i];
        found = component[i] < found ? found : component[i] + 1;
        if (label[i] < 0) {
            heir->stray += weight[i];
            continue;
        }
        if (heir->cluster >= 0 && heir->cluster != label[i])
            return -1;
        heir->cluster = label[i];
        heir->known += weight[i];
    }
    return found;
}

int ncs_go_on(const int64_t *component, const double *weight, int64_t *label,
              ptrdiff_t count, ptrdiff_t clusters, double to_stay, double to_be_born,
              ncs_heir *heirs)
{
    ptrdiff_t found = inherit(component, weight, label, count, heirs);
    for (ptrdiff_t a = 0; a < found; a++) {
        int goes_on = heirs[a].cluster >= 0;
        double own = heirs[a].known + heirs[a].stray;
        if (own == 0.0) /* nothing is in it */
            continue;
        if ((own >= (goes_on ? to_stay : to_be_born)) != goes_on)
            return 0;
        for (ptrdiff_t b = 0; goes_on && b < a; b++)
            if (heirs[b].cluster == heirs[a].cluster)
                return 0;
        clusters -= goes_on;
    }
    if (found < 0 || clusters != 0)
        return 0;
    for (ptrdiff_t i = 0; i < count; i++)
        label[i] = heirs[component[i]].cluster;
    return 1;
}
