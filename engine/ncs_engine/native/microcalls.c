/* What Python calls on its MicroClusters; see numpy_kernel. */
#include "memory.h"
#include "microcalls.h"

static const char *const micro_arrays[] = {"centres", "spread", "weight",
                                           "points",  "label",  "seen"};
static const char micro_types[] = {'d', 'd', 'd', 'd', 'q', 'q'};

/* Take the arrays of a MicroClusters; return how many, with an error if not all. */
static int take_micro(PyObject *owner, Py_buffer *views, ncs_micro *micro)
{
    Py_ssize_t shape[2] = {-1, -1};
    for (int i = 0; i < 6; i++) {
        PyObject *array = PyObject_GetAttrString(owner, micro_arrays[i]);
        if (array == NULL)
            return i;
        int two = i < 2;
        int failed = ncs_take(array, &views[i], micro_types[i], 1, two ? 2 : 1,
                              two ? shape : shape + 1);
        Py_DECREF(array);
        if (failed)
            return i;
        if (i == 0) {
            shape[0] = views[0].shape[0];
            shape[1] = views[0].shape[1];
        }
    }
    *micro = (ncs_micro){shape[0], shape[1], 0, views[0].buf, views[1].buf,
                         views[2].buf, views[3].buf, views[4].buf, views[5].buf};
    return 6;
}

int ncs_take_first(PyObject *owner, Py_ssize_t count, Py_buffer *views, ncs_micro *micro)
{
    int taken = take_micro(owner, views, micro);
    if (taken < 6)
        return taken;
    micro->count = count;
    if (count >= 0 && count <= micro->capacity)
        return 6;
    PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    PyBuffer_Release(&views[5]);
    return 5;
}

/* Take the arrays of a MicroClusters, and how many are in use. */
static int take_counted(PyObject *owner, Py_buffer *views, ncs_micro *micro)
{
    PyObject *count = PyObject_GetAttrString(owner, "count");
    Py_ssize_t used = count == NULL ? -1 : PyLong_AsSsize_t(count);
    Py_XDECREF(count);
    return PyErr_Occurred() ? 0 : ncs_take_first(owner, used, views, micro);
}

PyObject *ncs_py_refound(PyObject *module, PyObject *args)
{
    PyObject *owner, *other, *points, *done = NULL;
    Py_buffer views[13];
    ncs_micro micro, before;
    Py_ssize_t start;
    long long at;
    double grain, rate;
    int crowded;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnLddp:refound", &owner, &other, &points, &start,
                          &at, &grain, &rate, &crowded))
        return NULL;
    int taken = take_counted(owner, views, &micro);
    if (taken == 6)
        taken += take_counted(other, views + 6, &before);
    if (taken == 12 &&
        !ncs_take(points, &views[12], 'd', 0, 2, (Py_ssize_t[]){-1, micro.dimension}))
        taken++;
    double *squared = NULL;
    if (taken == 13 && (start < 0 || before.dimension != micro.dimension))
        PyErr_SetString(PyExc_ValueError, "kernel: points outside of the block");
    else if (taken == 13) {
        squared = PyMem_Calloc(micro.capacity + before.capacity + 1, sizeof(double));
        if (squared == NULL)
            PyErr_NoMemory();
    }
    if (squared != NULL) {
        Py_BEGIN_ALLOW_THREADS
        start = ncs_refound(&micro, &before, views[12].buf, start, views[12].shape[0],
                            at, grain, rate, crowded, squared);
        Py_END_ALLOW_THREADS
        PyMem_Free(squared);
        PyObject *count = PyLong_FromSsize_t(micro.count);
        if (count != NULL && PyObject_SetAttrString(owner, "count", count) == 0)
            done = PyLong_FromSsize_t(start);
        Py_XDECREF(count);
    }
    ncs_release(views, taken);
    return done;
}

PyObject *ncs_py_geometry(PyObject *module, PyObject *args)
{
    PyObject *owner, *out[3], *done = NULL;
    Py_buffer views[9];
    ncs_micro micro;
    Py_ssize_t count, shape[2] = {-1, -1};
    (void)module;
    if (!PyArg_ParseTuple(args, "OnOOO:geometry", &owner, &count, &out[0], &out[1],
                          &out[2]))
        return NULL;
    int taken = ncs_take_first(owner, count, views, &micro);
    shape[1] = micro.dimension;
    for (int i = 0; taken == 6 + i && i < 3; i++)
        if (!ncs_take(out[i], &views[6 + i], i ? 'd' : 'q', i > 0, i ? 2 : 1, shape))
            shape[0] = views[taken++].shape[0];
    if (taken == 9) {
        double *share = PyMem_Malloc((count + shape[0] + 1) * sizeof *share);
        ptrdiff_t *place = PyMem_Malloc((count + 1) * sizeof *place);
        if (share == NULL || place == NULL) {
            PyErr_NoMemory();
        } else {
            ncs_geometry(&micro, views[6].buf, shape[0], views[7].buf, views[8].buf,
                         share, place);
            done = Py_NewRef(Py_None);
        }
        PyMem_Free(share);
        PyMem_Free(place);
    }
    ncs_release(views, taken);
    return done;
}

/* qualities(centroids, variances, quality) */
PyObject *ncs_py_qualities(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "qualities takes 3 arguments, got %zd", n);
    Py_buffer views[3];
    if (ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t k = views[0].shape[0], d = views[0].shape[1], shapes[][2] = {{k, d}, {k}};
    int taken = 1 + ncs_take_all(args + 1, views + 1, "dd", 1, (int[]){2, 1}, shapes);
    PyObject *done = NULL;
    if (taken == 3) {
        ncs_qualities(views[0].buf, views[1].buf, k, d, views[2].buf);
        done = Py_NewRef(Py_None);
    }
    ncs_release(views, taken);
    return done;
}

/* merge_closest(micro, count, target, limit) */
PyObject *ncs_py_merge_closest(PyObject *module, PyObject *args)
{
    PyObject *owner, *done = NULL;
    Py_ssize_t count, target;
    double limit, farthest;
    Py_buffer views[6];
    ncs_micro micro;
    (void)module;
    if (!PyArg_ParseTuple(args, "Onnd:merge_closest", &owner, &count, &target, &limit))
        return NULL;
    int taken = ncs_take_first(owner, count, views, &micro);
    if (taken == 6) {
        ncs_memory memory = ncs_borrow(ncs_merging_bytes(&micro));
        if (memory.bytes == NULL) {
            PyErr_NoMemory();
        } else {
            Py_BEGIN_ALLOW_THREADS
            farthest = ncs_merge_closest(&micro, target, limit, memory.bytes);
            Py_END_ALLOW_THREADS
            done = Py_BuildValue("dn", farthest, micro.count);
        }
        ncs_give_back(memory);
    }
    ncs_release(views, taken);
    return done;
}
