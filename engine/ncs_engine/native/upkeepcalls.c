/* `keep`, `remap` and `forget` for Python. */
#include "microcalls.h"
#include "upkeep.h"

/* keep(micro, count, mask) */
PyObject *ncs_py_keep(PyObject *module, PyObject *args)
{
    PyObject *owner, *mask, *done = NULL;
    Py_buffer views[7];
    ncs_micro micro;
    Py_ssize_t count;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnO:keep", &owner, &count, &mask))
        return NULL;
    int taken = ncs_take_first(owner, count, views, &micro);
    if (taken == 6 && !ncs_take(mask, &views[6], '?', 0, 1, (Py_ssize_t[]){count})) {
        taken++;
        ncs_keep(&micro, views[6].buf);
        done = PyLong_FromSsize_t(micro.count);
    }
    ncs_release(views, taken);
    return done;
}

/* remap(micro, count, factor, offset) */
PyObject *ncs_py_remap(PyObject *module, PyObject *args)
{
    PyObject *owner, *maps[2], *done = NULL;
    Py_buffer views[8];
    ncs_micro micro;
    Py_ssize_t count;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnOO:remap", &owner, &count, &maps[0], &maps[1]))
        return NULL;
    int taken = ncs_take_first(owner, count, views, &micro);
    if (taken == 6) {
        Py_ssize_t shapes[][2] = {{micro.dimension}, {micro.dimension}};
        taken += ncs_take_all(maps, views + 6, "dd", 2, (int[]){1, 1}, shapes);
    }
    if (taken == 8) {
        ncs_remap(&micro, views[6].buf, views[7].buf);
        done = Py_NewRef(Py_None);
    }
    ncs_release(views, taken);
    return done;
}

/* forget(micro, count, faded, learned, since, patience, least) */
PyObject *ncs_py_forget(PyObject *module, PyObject *args)
{
    PyObject *owner, *done = NULL;
    Py_buffer views[6];
    ncs_micro micro;
    ncs_forgetting by;
    Py_ssize_t count;
    long long learned, since;
    (void)module;
    if (!PyArg_ParseTuple(args, "OndLLdd:forget", &owner, &count, &by.faded, &learned,
                          &since, &by.patience, &by.least))
        return NULL;
    by.learned = learned;
    by.since = since;
    int taken = ncs_take_first(owner, count, views, &micro);
    uint8_t *mask = taken == 6 ? PyMem_Malloc(count + 1) : NULL;
    if (mask != NULL) {
        ncs_forget(&micro, &by, mask);
        done = PyLong_FromSsize_t(micro.count);
    } else if (taken == 6) {
        PyErr_NoMemory();
    }
    PyMem_Free(mask);
    ncs_release(views, taken);
    return done;
}
