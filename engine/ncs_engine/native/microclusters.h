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

/* Let the nearest micro-cluster take `z`, or found one; see numpy_kernel.place.
 *
 * INOUT micro
 * IN    z        double (dimension)
 * IN    nearest  which is the nearest, -1 without any
 * IN    squared  its squared distance
 * IN    at       number of points learned with it
 * OUT   index    which took it
 *
 * Returns 0 if there is no room; then nothing was done.
 */
int ncs_place(ncs_micro *micro, const double *z, ptrdiff_t nearest, double squared,
              int64_t label, double grain, double rate, int crowded, int64_t at,
              ptrdiff_t *index);

/* Place the points [start, n) anew; see numpy_kernel.refound.
 *
 * INOUT micro
 * IN    before
 * IN    points   double (n, dimension)
 * OUT   squared  double (the larger of both counts), scratch
 *
 * Returns the first point for which there is no room, or n.
 */
ptrdiff_t ncs_refound(ncs_micro *micro, const ncs_micro *before, const double *points,
                      ptrdiff_t start, ptrdiff_t n, int64_t at, double grain,
                      double rate, int crowded, double *squared);

/* Work out where clusters lie; see numpy_kernel.geometry.
 *
 * IN  micro
 * IN  ids        int64 (clusters), rising
 * OUT centroids  double (clusters, dimension)
 * OUT variances  double (clusters, dimension)
 * OUT share      double (count + clusters), scratch
 * OUT place      ptrdiff_t (count), scratch
 */
void ncs_geometry(const ncs_micro *micro, const int64_t *ids, ptrdiff_t clusters,
                  double *centroids, double *variances, double *share,
                  ptrdiff_t *place);

/* Say how well clusters are apart; see numpy_kernel.qualities.
 *
 * IN  centroids  double (clusters, d)
 * IN  variances  double (clusters, d)
 * OUT quality    double (clusters)
 */
void ncs_qualities(const double *centroids, const double *variances, ptrdiff_t clusters,
                   ptrdiff_t d, double *quality);

/* Merge the closest pairs until at most `target` entries are left; see
 * MicroClusters.merge_closest.
 *
 * INOUT micro
 * IN    limit  squared distance beyond which pairs are left alone
 * OUT   block  ncs_merging_bytes of scratch
 *
 * Returns the largest squared distance over which two were merged, 0 for none.
 * O(size^2 dimension) for the beginning and O(size dimension) for most merges, where
 * `size` is that of a cluster.
 */
double ncs_merge_closest(ncs_micro *micro, ptrdiff_t target, double limit, void *block);

size_t ncs_merging_bytes(ncs_micro *micro);

#endif
