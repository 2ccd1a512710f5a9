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

/* Take arrays of these types, of which those from one on are written to; return how
 * many, with an error set if not all. */
int ncs_take_all(PyObject *const *objects, Py_buffer *views, const char *types,
                 int writable_from, const int *dimensions, Py_ssize_t shapes[][2]);

/* Let go of the first `taken`. */
void ncs_release(Py_buffer *views, int taken);

/* Return whether all numbers are from 0 and below the limit. */
int ncs_all_below(const int64_t *numbers, Py_ssize_t count, int64_t limit);

/* Take points, float32 or float64 (n, d), into `view` and `block`; as `ncs_take`. */
int ncs_take_block(PyObject *object, Py_buffer *view, ncs_block *block);

/* Functions of the module that are elsewhere. */
PyObject *ncs_py_forget(PyObject *module, PyObject *args);
PyObject *ncs_py_qualities(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_keep(PyObject *module, PyObject *args);
PyObject *ncs_py_remap(PyObject *module, PyObject *args);
PyObject *ncs_py_geometry(PyObject *module, PyObject *args);
PyObject *ncs_py_merge_closest(PyObject *module, PyObject *args);
PyObject *ncs_py_refound(PyObject *module, PyObject *args);
PyObject *ncs_py_observe(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_move(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_partition(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_cut_boxes(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_go_on(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ncs_py_lags(PyObject *module, PyObject *args);
PyObject *ncs_py_median(PyObject *module, PyObject *array);
PyObject *ncs_py_upper_quartile(PyObject *module, PyObject *array);

/* The type of `PointLoop`. */
extern PyType_Spec ncs_point_loop_spec;

#endif
