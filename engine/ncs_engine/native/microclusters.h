/* The micro-clusters: structure of arrays, of which the first `count` are in use. */
#ifndef NCS_MICROCLUSTERS_H
#define NCS_MICROCLUSTERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    ptrdiff_t dimension;
    ptrdiff_t capacity;
    ptrdiff_t count;
    double *centres; /* (dimension, capacity), standardised */
    double *spread;  /* (dimension, capacity), variance of its points per feature */
    double *weight;  /* (capacity), points taken, older ones forgotten */
    double *points;  /* (capacity), points taken, none forgotten */
    int64_t *label;  /* (capacity), its cluster, -1 for none */
    int64_t *seen;   /* (capacity), number of points learned when it last took one */
} ncs_micro;

/* Let micro-cluster `index` take `z`; see MicroClusters.absorb.
 *
 * INOUT micro
 * IN    z      double (dimension)
 */
void ncs_absorb(ncs_micro *micro, ptrdiff_t index, const double *z, double rate);

/* Begin a micro-cluster at `z` and return its index; there has to be room.
 *
 * INOUT micro
 * IN    z      double (dimension)
 */
ptrdiff_t ncs_found(ncs_micro *micro, const double *z, int64_t label);

/* Merge the closest pairs until at most `target` are alive; see
 * MicroClusters.merge_closest. Entries that went are not yet taken out of the arrays.
 *
 * INOUT micro    its count stays
 * INOUT squared  double (count, count), the squared distances between the centres
 * OUT   alive    uint8 (count), 0 for what went into another one
 * OUT   scratch  double (dimension + count)
 * OUT   nearest  int64 (count)
 *
 * Returns the largest squared distance over which two were merged, 0 for none.
 * O(count^2) for the beginning and O(count * dimension) for most merges.
 */
double ncs_merge_closest(ncs_micro *micro, ptrdiff_t target, double *squared,
                         uint8_t *alive, double *scratch, int64_t *nearest);

#endif
