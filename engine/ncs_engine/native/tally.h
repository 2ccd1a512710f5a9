/* How many points each cluster took. */
#ifndef NCS_TALLY_H
#define NCS_TALLY_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t cluster;
    int64_t points;
    int64_t visits; /* runs of points */
    int64_t last;   /* place of its last point */
} ncs_count;

/* Count the ids at [start, stop), in the order in which they first come; return how many
 * different ones there are.
 *
 * IN  ids     int64
 * IN  before  id of the point before the first one
 * OUT counts  stop - start of them are enough
 */
ptrdiff_t ncs_tally(const int64_t *ids, ptrdiff_t start, ptrdiff_t stop,
                    int64_t before, ncs_count *counts);

typedef struct {
    int64_t a, b;
    double weight;
} ncs_shared;

/* Add up the weight of the items by pairs of the labels that they have, in the order in
 * which the pairs first come; return how many pairs there are.
 *
 * IN  a, b    int64 (count)
 * IN  weight  double (count)
 * OUT shared  count of them are enough
 */
ptrdiff_t ncs_overlaps(const int64_t *a, const int64_t *b, const double *weight,
                       ptrdiff_t count, ncs_shared *shared);

#endif
