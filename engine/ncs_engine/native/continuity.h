/* Whether components are the clusters in force; see continuity.py. */
#ifndef NCS_CONTINUITY_H
#define NCS_CONTINUITY_H

#include <stddef.h>
#include <stdint.h>

/* What is known of a component. */
typedef struct {
    int64_t cluster;     /* -1 for none */
    double known, stray; /* weight with a cluster, and without one */
} ncs_heir;

/* Let the clusters go on if the components are these; return whether they do.
 *
 * IN    component  int64_t (count), from 0, below count
 * IN    weight     double (count)
 * INOUT label      int64_t (count), -1 for none
 * OUT   heirs      (count), scratch
 */
int ncs_go_on(const int64_t *component, const double *weight, int64_t *label,
              ptrdiff_t count, ptrdiff_t clusters, double to_stay, double to_be_born,
              ncs_heir *heirs);

#endif
