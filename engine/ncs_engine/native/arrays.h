/* Arrays by the buffer protocol: no NumPy is needed to build. */
#ifndef NCS_ARRAYS_H
#define NCS_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "loop.h"

/* Take `object` as a C-contiguous array into `view`; return 0, or -1 with an error set.
 *
 * type: 'd' float64, 'f' float32, 'q' int64, 'i' int32, '?' bool.
 * shape: ndim numbers; -1 accepts any.
 */
int ncs_take(PyObject *object, Py_buffer *view, char type, int writable, int ndim,
             const Py_ssize_t *shape);

/* Take points, float32 or float64 (n, d), into `view` and `block`; as `ncs_take`. */
int ncs_take_block(PyObject *object, Py_buffer *view, ncs_block *block);

/* Functions of the module that are elsewhere. */
PyObject *ncs_py_geometry(PyObject *module, PyObject *args);
PyObject *ncs_py_merge_closest(PyObject *module, PyObject *args);
PyObject *ncs_py_refound(PyObject *module, PyObject *args);
PyObject *ncs_py_partition(PyObject *module, PyObject *const *args, Py_ssize_t n);

/* The type of `PointLoop`. */
extern PyType_Spec ncs_point_loop_spec;

#endif
