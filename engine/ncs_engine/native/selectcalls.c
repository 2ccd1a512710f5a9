/* `median` and `upper_quartile` for Python; see quantiles.py. */
#include "arrays.h"
#include "select.h"

#include <string.h>

/* Take the argument, copy it and return what `of` makes of it. */
static PyObject *tell(PyObject *array, double (*of)(double *values, ptrdiff_t count))
{
    Py_buffer view;
    PyObject *told = NULL;
    if (ncs_take(array, &view, 'd', 0, 1, (Py_ssize_t[]){-1}))
        return NULL;
    double *values = PyMem_Malloc(view.len + 1);
    if (view.shape[0] == 0) {
        PyErr_SetString(PyExc_ValueError, "kernel: no values");
    } else if (values == NULL) {
        PyErr_NoMemory();
    } else {
        memcpy(values, view.buf, view.len);
        told = PyFloat_FromDouble(of(values, view.shape[0]));
    }
    PyMem_Free(values);
    PyBuffer_Release(&view);
    return told;
}

PyObject *ncs_py_median(PyObject *module, PyObject *array)
{
    (void)module;
    return tell(array, ncs_median);
}

PyObject *ncs_py_upper_quartile(PyObject *module, PyObject *array)
{
    (void)module;
    return tell(array, ncs_upper_quartile);
}
