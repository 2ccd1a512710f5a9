/* How much weight two labellings share. */
#ifndef NCS_OVERLAPS_H
#define NCS_OVERLAPS_H

#include <stddef.h>
#include <stdint.h>

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
