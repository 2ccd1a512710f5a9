/* `go_on` for Python. */
#include "arrays.h"
#include "continuity.h"

/* go_on(component, weight, label, clusters, to_stay, to_be_born) */
PyObject *ncs_py_go_on(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n != 6)
        return PyErr_Format(PyExc_TypeError, "go_on takes 6 arguments, got %zd", n);
    double to_stay = PyFloat_AsDouble(args[4]), to_be_born = PyFloat_AsDouble(args[5]);
    Py_ssize_t clusters = PyLong_AsSsize_t(args[3]);
    Py_buffer views[3];
    if (PyErr_Occurred() || ncs_take(args[0], &views[0], 'q', 0, 1, (Py_ssize_t[]){-1}))
        return NULL;
    Py_ssize_t count = views[0].shape[0], shapes[][2] = {{count}, {count}};
    int taken = 1 + ncs_take_all(args + 1, views + 1, "dq", 1, (int[]){1, 1}, shapes);
    PyObject *done = NULL;
    ncs_heir *heirs = NULL;
    if (taken == 3 && !ncs_all_below(views[0].buf, count, count)) {
        PyErr_SetString(PyExc_ValueError, "kernel: no such component");
    } else if (taken == 3 && (heirs = PyMem_Calloc(count + 1, sizeof *heirs)) == NULL) {
        PyErr_NoMemory();
    } else if (taken == 3) {
        done = PyBool_FromLong(ncs_go_on(views[0].buf, views[1].buf, views[2].buf, count,
                                         clusters, to_stay, to_be_born, heirs));
    }
    PyMem_Free(heirs);
    ncs_release(views, taken);
    return done;
}
