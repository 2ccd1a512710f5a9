/* The arrays of a MicroClusters. */
#ifndef NCS_MICROCALLS_H
#define NCS_MICROCALLS_H

#include "arrays.h"
#include "microclusters.h"

/* Take them all, to be written to, of which the first `count` entries are in use; return
 * how many arrays, with an error set if not all 6. */
int ncs_take_first(PyObject *owner, Py_ssize_t count, Py_buffer *views, ncs_micro *micro);

#endif
