/* `lags` for Python. */
#include "lags.h"
#include "memory.h"
#include "microcalls.h"

/* Return the lags as a list of tuples. */
static PyObject *tell(const ncs_lag *lags, ptrdiff_t count)
{
    PyObject *list = PyList_New(count);
    for (ptrdiff_t i = 0; list != NULL && i < count; i++) {
        PyObject *row = Py_BuildValue("Ldd", (long long)lags[i].cluster, lags[i].excess,
                                      lags[i].squared);
        if (row == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, row);
    }
    return list;
}

static PyObject *run(ncs_motion *motion)
{
    ncs_room room = {NULL, 0};
    PyObject *told = NULL;
    ptrdiff_t found;
    ncs_motion_lay_out(motion, &room);
    ncs_memory memory = ncs_borrow(room.used + NCS_ROOM_LINE);
    if (memory.bytes == NULL) {
        PyErr_NoMemory();
    } else {
        room = ncs_room_in(memory.bytes);
        ncs_motion_lay_out(motion, &room);
        Py_BEGIN_ALLOW_THREADS
        found = ncs_find_lags(motion);
        Py_END_ALLOW_THREADS
        told = tell(motion->lags, found);
    }
    ncs_give_back(memory);
    return told;
}

/* lags(points, cluster, micro, count, least) */
PyObject *ncs_py_lags(PyObject *module, PyObject *args)
{
    PyObject *owner, *arrays[2], *told = NULL;
    Py_buffer views[8];
    ncs_micro micro;
    Py_ssize_t count, least;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnn:lags", &arrays[0], &arrays[1], &owner, &count,
                          &least))
        return NULL;
    int taken = ncs_take_first(owner, count, views, &micro);
    if (taken == 6) {
        Py_ssize_t shapes[][2] = {{-1, micro.dimension}, {-1}};
        taken += ncs_take_all(arrays, views + 6, "dq", 2, (int[]){2, 1}, shapes);
    }
    if (taken == 8 && views[6].shape[0] != views[7].shape[0]) {
        PyErr_SetString(PyExc_ValueError, "kernel: as many clusters as points");
    } else if (taken == 8) {
        ncs_motion motion = {.points = views[6].buf, .cluster = views[7].buf,
                             .n = views[6].shape[0], .least = least, .micro = &micro};
        told = run(&motion);
    }
    ncs_release(views, taken);
    return told;
}
