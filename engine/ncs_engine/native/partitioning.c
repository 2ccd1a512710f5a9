/* `partition` for Python: takes the arrays, and finds the memory to work in. */
#include "arrays.h"
#include "memory.h"
#include "partition.h"

/* Take the arrays of `partition`; return how many, with an error if not all. */
static int take_crowd(PyObject *const *args, Py_buffer *views, Py_ssize_t count)
{
    static const char types[] = {'d', 'd', 'd', 'q', 'd', 'q', 'q'};
    for (int i = 0; i < 7; i++) {
        int two = i < 2 || i == 4, last = i == 6;
        Py_ssize_t shape[2] = {-1, -1};
        if (i == 1) {
            shape[0] = views[0].shape[0];
            shape[1] = views[0].shape[1];
        } else if (i == 4)
            shape[1] = views[0].shape[0];
        else if (i == 5)
            shape[0] = views[4].shape[0];
        else if (i)
            shape[0] = last ? count : views[0].shape[1];
        if (ncs_take(args[i], &views[i], types[i], last, two ? 2 : 1, shape))
            return i;
    }
    return 7;
}

static PyObject *run(const ncs_crowd *crowd, int64_t *component)
{
    if (crowd->count == 0)
        Py_RETURN_NONE;
    ncs_memory b = ncs_borrow(ncs_partition_bytes(crowd));
    if (b.bytes == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    ncs_partition(crowd, b.bytes, component);
    Py_END_ALLOW_THREADS
    ncs_give_back(b);
    Py_RETURN_NONE;
}

PyObject *ncs_py_partition(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n != 10)
        return PyErr_Format(PyExc_TypeError, "partition takes 10 arguments, got %zd", n);
    PyObject *const arrays[] = {args[0], args[1], args[2], args[3],
                                args[5], args[6], args[9]};
    Py_ssize_t count = PyLong_AsSsize_t(args[4]);
    double threshold = PyFloat_AsDouble(args[7]), reach = PyFloat_AsDouble(args[8]);
    if (PyErr_Occurred())
        return NULL;
    Py_buffer views[7];
    PyObject *done = NULL;
    int taken = take_crowd(arrays, views, count);
    if (taken == 7 && (count < 0 || count > views[0].shape[1])) {
        PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    } else if (taken == 7 && !ncs_all_below(views[5].buf, views[5].shape[0], count)) {
        PyErr_SetString(PyExc_ValueError, "kernel: no such micro-cluster is nearest");
    } else if (taken == 7) {
        ncs_crowd crowd = {(int)count, (int)views[0].shape[0], (int)views[4].shape[0],
                           (int)views[0].shape[1], views[0].buf, views[1].buf,
                           views[2].buf, views[3].buf, views[4].buf,
                           views[5].buf, threshold, reach};
        done = run(&crowd, views[6].buf);
    }
    ncs_release(views, taken);
    return done;
}
