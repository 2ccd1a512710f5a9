/* Memory for what a density step works with. */
#ifndef NCS_MEMORY_H
#define NCS_MEMORY_H

#include <stddef.h>

typedef struct {
    void *bytes;
    size_t size;
} ncs_memory;

/* Return `size` bytes at least, with anything in them; none if there is no memory. With
 * the GIL held. */
ncs_memory ncs_borrow(size_t size);

/* Give it back; with the GIL held. */
void ncs_give_back(ncs_memory memory);

#endif
