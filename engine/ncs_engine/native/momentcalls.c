/* What Python calls on the arrays of its Standardizer; see numpy_kernel. */
#include "arrays.h"
#include "moments.h"

/* observe(block, kept, mean, var) */
PyObject *ncs_py_observe(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "observe takes 4 arguments, got %zd", count);
    double kept = PyFloat_AsDouble(args[1]), *scratch = NULL;
    Py_buffer views[3];
    if (PyErr_Occurred() || ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t n = views[0].shape[0], d = views[0].shape[1], shapes[][2] = {{d}, {d}};
    int taken = 1 + ncs_take_all(args + 2, views + 1, "dd", 0, (int[]){1, 1}, shapes);
    PyObject *done = NULL;
    if (taken == 3 && n < 1) {
        PyErr_SetString(PyExc_ValueError, "kernel: no points to observe");
    } else if (taken == 3 && (scratch = PyMem_Calloc(2 * n, sizeof(double))) == NULL) {
        PyErr_NoMemory();
    } else if (taken == 3) {
        Py_BEGIN_ALLOW_THREADS
        ncs_observe(views[0].buf, n, d, kept, views[1].buf, views[2].buf, scratch);
        Py_END_ALLOW_THREADS
        done = Py_NewRef(Py_None);
    }
    PyMem_Free(scratch);
    ncs_release(views, taken);
    return done;
}

/* move(mean, var, shift, scale, factor, offset) */
PyObject *ncs_py_move(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 6)
        return PyErr_Format(PyExc_TypeError, "move takes 6 arguments, got %zd", count);
    Py_buffer views[6];
    if (ncs_take(args[0], &views[0], 'd', 0, 1, (Py_ssize_t[]){-1}))
        return NULL;
    Py_ssize_t d = views[0].shape[0], shapes[][2] = {{d}, {d}, {d}, {d}, {d}};
    const int ones[] = {1, 1, 1, 1, 1};
    int taken = 1 + ncs_take_all(args + 1, views + 1, "ddddd", 1, ones, shapes);
    PyObject *done = NULL;
    if (taken == 6) {
        ncs_move(views[0].buf, views[1].buf, d, views[2].buf, views[3].buf, views[4].buf,
                 views[5].buf);
        done = Py_NewRef(Py_None);
    }
    ncs_release(views, taken);
    return done;
}
