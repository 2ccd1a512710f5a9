/* ncs_engine._native: what numpy_kernel has, under the same names, compiled. */
#include "arrays.h"
#include "clones.h"
#include "distances.h"
#include "tally.h"

static PyObject *fits(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    Py_buffer view;
    ncs_block block;
    (void)module;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "fits takes 3 arguments, got %zd", n);
    Py_ssize_t dimension = PyLong_AsSsize_t(args[1]);
    double largest = PyFloat_AsDouble(args[2]);
    if (PyErr_Occurred())
        return NULL;
    if (ncs_take_block(args[0], &view, &block)) {
        PyErr_Clear(); /* whoever asks converts it, or says what is wrong */
        Py_RETURN_FALSE;
    }
    int all = block.dimension == dimension && ncs_within(&block, largest);
    PyBuffer_Release(&view);
    return PyBool_FromLong(all);
}

static PyObject *pairwise_squared_distances(PyObject *module, PyObject *args)
{
    PyObject *centres_object, *squared_object;
    Py_buffer centres, squared;
    Py_ssize_t count;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnO:pairwise_squared_distances", &centres_object, &count,
                          &squared_object) ||
        ncs_take(centres_object, &centres, 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    PyObject *done = NULL;
    if (ncs_take(squared_object, &squared, 'd', 1, 2, (Py_ssize_t[]){count, count}))
        goto centres_taken;
    Py_ssize_t d = centres.shape[0], capacity = centres.shape[1];
    double *scratch = PyMem_Calloc(d + 1, sizeof(double));
    if (scratch == NULL) {
        PyErr_NoMemory();
    } else if (count > capacity) {
        PyErr_SetString(PyExc_ValueError, "kernel: more centres than there are");
    } else {
        Py_BEGIN_ALLOW_THREADS
        ncs_pairwise(centres.buf, d, capacity, count, scratch, squared.buf);
        Py_END_ALLOW_THREADS
        done = Py_NewRef(Py_None);
    }
    PyMem_Free(scratch);
    PyBuffer_Release(&squared);
centres_taken:
    PyBuffer_Release(&centres);
    return done;
}

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

/* Take the arrays of a MicroClusters, and how many are in use. */
static int take_counted(PyObject *owner, Py_buffer *views, ncs_micro *micro)
{
    int taken = take_micro(owner, views, micro);
    if (taken < 6)
        return taken;
    PyObject *count = PyObject_GetAttrString(owner, "count");
    micro->count = count == NULL ? -1 : PyLong_AsSsize_t(count);
    Py_XDECREF(count);
    if (micro->count >= 0 && micro->count <= micro->capacity)
        return 6;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    PyBuffer_Release(&views[5]);
    return 5;
}

static PyObject *refound(PyObject *module, PyObject *args)
{
    PyObject *owner, *other, *points, *done = NULL;
    Py_buffer views[13];
    ncs_micro micro, before;
    Py_ssize_t start;
    long long at;
    double grain, rate;
    int crowded;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnLddp:refound", &owner, &other, &points, &start, &at,
                          &grain, &rate, &crowded))
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
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}

static PyObject *geometry(PyObject *module, PyObject *args)
{
    PyObject *owner, *out[3], *done = NULL;
    Py_buffer views[9];
    ncs_micro micro;
    Py_ssize_t count, shape[2] = {-1, -1};
    (void)module;
    if (!PyArg_ParseTuple(args, "OnOOO:geometry", &owner, &count, &out[0], &out[1],
                          &out[2]))
        return NULL;
    int taken = take_micro(owner, views, &micro);
    shape[1] = micro.dimension;
    for (int i = 0; taken == 6 + i && i < 3; i++)
        if (!ncs_take(out[i], &views[6 + i], i ? 'd' : 'q', i > 0, i ? 2 : 1, shape))
            shape[0] = views[taken++].shape[0];
    if (taken == 9 && (count < 0 || count > micro.capacity)) {
        PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    } else if (taken == 9) {
        double *total = PyMem_Calloc(shape[0] + 1, sizeof *total);
        ptrdiff_t *place = PyMem_Calloc(count + 1, sizeof *place);
        micro.count = count;
        if (total == NULL || place == NULL) {
            PyErr_NoMemory();
        } else {
            ncs_geometry(&micro, views[6].buf, shape[0], views[7].buf, views[8].buf,
                         total, place);
            done = Py_NewRef(Py_None);
        }
        PyMem_Free(total);
        PyMem_Free(place);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}

static PyObject *neighbours(PyObject *module, PyObject *args)
{
    PyObject *columns_object, *squared_object, *done = NULL;
    Py_buffer columns, squared;
    Py_ssize_t every, k;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnnO:neighbours", &columns_object, &every, &k,
                          &squared_object) ||
        ncs_take(columns_object, &columns, 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t d = columns.shape[0], n = columns.shape[1];
    if (every < 1 || k < 0 || k >= n) {
        PyErr_SetString(PyExc_ValueError, "kernel: no such neighbour");
    } else if (!ncs_take(squared_object, &squared, 'd', 1, 1,
                         (Py_ssize_t[]){(n + every - 1) / every})) {
        double *scratch = PyMem_Calloc(d + n + k + 1, sizeof(double));
        if (scratch == NULL) {
            PyErr_NoMemory();
        } else {
            Py_BEGIN_ALLOW_THREADS
            ncs_neighbours(columns.buf, d, n, every, k, scratch, squared.buf);
            Py_END_ALLOW_THREADS
            done = Py_NewRef(Py_None);
        }
        PyMem_Free(scratch);
        PyBuffer_Release(&squared);
    }
    PyBuffer_Release(&columns);
    return done;
}

/* Merge with the memory that it takes; return the farthest, or -1 without memory. */
static double merge(ncs_micro *micro, Py_ssize_t target, double *squared, uint8_t *alive)
{
    size_t doubles = micro->dimension + micro->count + 1;
    double *scratch = PyMem_Calloc(doubles, sizeof(double));
    int64_t *nearest = PyMem_Calloc(micro->count + 1, sizeof(int64_t));
    double farthest = -1.0;
    if (scratch != NULL && nearest != NULL) {
        Py_BEGIN_ALLOW_THREADS
        farthest = ncs_merge_closest(micro, target, squared, alive, scratch, nearest);
        Py_END_ALLOW_THREADS
    } else {
        PyErr_NoMemory();
    }
    PyMem_Free(scratch);
    PyMem_Free(nearest);
    return farthest;
}

static PyObject *merge_closest(PyObject *module, PyObject *args)
{
    PyObject *owner, *squared, *alive, *done = NULL;
    Py_ssize_t count, target;
    Py_buffer views[8];
    ncs_micro micro;
    (void)module;
    if (!PyArg_ParseTuple(args, "OnnOO:merge_closest", &owner, &count, &target, &squared,
                          &alive))
        return NULL;
    int taken = take_micro(owner, views, &micro);
    if (taken == 6 &&
        !ncs_take(squared, &views[6], 'd', 1, 2, (Py_ssize_t[]){count, count}))
        taken++;
    if (taken == 7 && !ncs_take(alive, &views[7], '?', 1, 1, (Py_ssize_t[]){count}))
        taken++;
    if (taken == 8 && count > micro.capacity) {
        PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    } else if (taken == 8) {
        micro.count = count;
        double farthest = merge(&micro, target, views[6].buf, views[7].buf);
        if (farthest >= 0.0)
            done = PyFloat_FromDouble(farthest);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}

static PyObject *tally(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n != 4)
        return PyErr_Format(PyExc_TypeError, "tally takes 4 arguments, got %zd", n);
    Py_buffer view;
    Py_ssize_t start = PyLong_AsSsize_t(args[1]), stop = PyLong_AsSsize_t(args[2]);
    int64_t before = PyLong_AsLongLong(args[3]);
    if (PyErr_Occurred() || ncs_take(args[0], &view, 'q', 0, 1, (Py_ssize_t[]){-1}))
        return NULL;
    PyObject *result = NULL;
    ncs_count *counts = NULL;
    if (start < 0 || start > stop || stop > view.shape[0])
        PyErr_SetString(PyExc_ValueError, "kernel: places outside of the ids");
    else if ((counts = PyMem_Calloc(stop - start + 1, sizeof *counts)) == NULL)
        PyErr_NoMemory();
    else {
        ptrdiff_t found = ncs_tally(view.buf, start, stop, before, counts);
        result = PyList_New(found);
        for (ptrdiff_t i = 0; result != NULL && i < found; i++) {
            PyObject *row = Py_BuildValue("LLLL", (long long)counts[i].cluster,
                                          (long long)counts[i].points,
                                          (long long)counts[i].visits,
                                          (long long)counts[i].last);
            if (row == NULL)
                Py_CLEAR(result);
            else
                PyList_SET_ITEM(result, i, row);
        }
    }
    PyMem_Free(counts);
    PyBuffer_Release(&view);
    return result;
}

/* Return the pairs as a list of tuples. */
static PyObject *tell_shared(const ncs_shared *shared, ptrdiff_t count)
{
    PyObject *list = PyList_New(count);
    for (ptrdiff_t i = 0; list != NULL && i < count; i++) {
        PyObject *row = Py_BuildValue("LLd", (long long)shared[i].a,
                                      (long long)shared[i].b, shared[i].weight);
        if (row == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, row);
    }
    return list;
}

static PyObject *overlaps(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    static const char types[] = {'q', 'q', 'd'};
    Py_buffer views[3];
    Py_ssize_t shape[1] = {-1};
    int taken = 0;
    PyObject *done = NULL;
    (void)module;
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "overlaps takes 3 arguments, got %zd", n);
    while (taken < 3 && !ncs_take(args[taken], &views[taken], types[taken], 0, 1, shape))
        shape[0] = views[taken++].shape[0];
    if (taken == 3) {
        ncs_shared *shared = PyMem_Calloc(shape[0] + 1, sizeof *shared);
        if (shared == NULL)
            PyErr_NoMemory();
        else
            done = tell_shared(shared, ncs_overlaps(views[0].buf, views[1].buf,
                                                    views[2].buf, shape[0], shared));
        PyMem_Free(shared);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}

static PyMethodDef functions[] = {
    {"fits", (PyCFunction)(void (*)(void))fits, METH_FASTCALL, NULL},
    {"pairwise_squared_distances", pairwise_squared_distances, METH_VARARGS, NULL},
    {"merge_closest", merge_closest, METH_VARARGS, NULL},
    {"geometry", geometry, METH_VARARGS, NULL},
    {"neighbours", neighbours, METH_VARARGS, NULL},
    {"overlaps", (PyCFunction)(void (*)(void))overlaps, METH_FASTCALL, NULL},
    {"partition", (PyCFunction)(void (*)(void))ncs_py_partition, METH_FASTCALL, NULL},
    {"refound", refound, METH_VARARGS, NULL},
    {"tally", (PyCFunction)(void (*)(void))tally, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &ncs_point_loop_spec, NULL);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed ? -1 : PyModule_AddStringConstant(module, "VECTORS", ncs_vectors());
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, fill}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ncs_engine._native",
    .m_doc = "The compiled kernel; see numpy_kernel.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
