/* Clusters as groups of micro-clusters; see partition.c. Plain C, no Python. */
#ifndef NCS_PARTITION_H
#define NCS_PARTITION_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int count;              /* m: micro-clusters */
    int dimension;          /* d */
    int recent_count;       /* n: recent points */
    int stride;             /* row length of centres and spread */
    const double *centres;  /* (d, stride) */
    const double *spread;   /* (d, stride), variance per feature */
    const double *weight;   /* (m) */
    const int64_t *label;   /* (m), the clusters in force, -1 for none */
    const double *recent;   /* (n, d) */
    const int64_t *nearest; /* (n), the micro-cluster that is nearest to each, below m */
    double threshold;       /* valley from which two crowds are one */
    double reach;           /* what is further than this from a cluster is not in it */
} ncs_crowd;

/* Return how many bytes `ncs_partition` works in. */
size_t ncs_partition_bytes(const ncs_crowd *crowd);

/* Write the component of each micro-cluster, 0 .. k - 1.
 *
 * IN  crowd      m >= 1
 * OUT block      ncs_partition_bytes
 * OUT component  (m)
 */
void ncs_partition(const ncs_crowd *crowd, void *block, int64_t *component);

#endif
