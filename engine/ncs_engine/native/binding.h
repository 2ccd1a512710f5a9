/* The arrays of Python objects that a loop works on. */
#ifndef NCS_BINDING_H
#define NCS_BINDING_H

#include "arrays.h"

#define NCS_BOUND 29

typedef struct {
    Py_buffer views[NCS_BOUND];
    int bound; /* how many of them are taken; 0 at first */
} ncs_binding;

/* Take all arrays; return 0, or -1 with an error set. For the owners see
 * point_loop.PointLoop. */
int ncs_bind(ncs_binding *binding, PyObject *micro, PyObject *scaler, PyObject *gaps,
             PyObject *novelty, PyObject *watch);

/* Point the loop to the arrays; `cosine` is set already. */
void ncs_fill(const ncs_binding *binding, ncs_loop *loop);

/* Check what is used as a place in an array; as `ncs_bind`. */
int ncs_check_places(const ncs_loop *loop);

void ncs_unbind(ncs_binding *binding);

#endif
