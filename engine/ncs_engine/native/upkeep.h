/* What is done to all micro-clusters at once; see upkeep.py. */
#ifndef NCS_UPKEEP_H
#define NCS_UPKEEP_H

#include "microclusters.h"

/* Keep those of which `mask` (count) is not 0, in order; count them. */
void ncs_keep(ncs_micro *micro, const uint8_t *mask);

/* Follow a move of the standardiser; factor and offset are double (dimension). */
void ncs_remap(const ncs_micro *micro, const double *factor, const double *offset);

/* How much is forgotten. */
typedef struct {
    double faded, patience, least;
    int64_t learned, since;
} ncs_forgetting;

/* Forget what is long ago; `mask` (count) is scratch. */
void ncs_forget(ncs_micro *micro, const ncs_forgetting *by, uint8_t *mask);

#endif
