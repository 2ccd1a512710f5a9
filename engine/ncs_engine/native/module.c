/* ncs_engine._native: what numpy_kernel has, under the same names, compiled. */
#include "arrays.h"
#include "clones.h"
#include "distances.h"
#include "nearest.h"
#include "overlaps.h"

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

static PyObject *nearest(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    if (nargs != 4)
        return PyErr_Format(PyExc_TypeError, "nearest takes 4 arguments, got %zd", nargs);
    Py_buffer views[3];
    Py_ssize_t count = PyLong_AsSsize_t(args[1]);
    if (PyErr_Occurred() || ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t d = views[0].shape[0], capacity = views[0].shape[1];
    PyObject *done = NULL;
    double *scratch = NULL;
    float *floats = NULL;
    if (ncs_take(args[2], &views[1], 'd', 0, 2, (Py_ssize_t[]){-1, d}))
        goto centres_taken;
    Py_ssize_t n = views[1].shape[0];
    if (ncs_take(args[3], &views[2], 'q', 1, 1, (Py_ssize_t[]){n}))
        goto points_taken;
    if (count < 1 || count > capacity) {
        PyErr_SetString(PyExc_ValueError, "kernel: more centres than there are, or none");
    } else if ((scratch = PyMem_Malloc(count * sizeof(double))) == NULL ||
               (floats = PyMem_Malloc(ncs_finder_floats(d, capacity) * sizeof(float))) ==
                   NULL) {
        PyErr_NoMemory();
    } else {
        Py_BEGIN_ALLOW_THREADS
        ncs_nearest(views[0].buf, d, capacity, count, views[1].buf, n, floats, scratch,
                    views[2].buf);
        Py_END_ALLOW_THREADS
        done = Py_NewRef(Py_None);
    }
    PyMem_Free(scratch);
    PyMem_Free(floats);
    PyBuffer_Release(&views[2]);
points_taken:
    PyBuffer_Release(&views[1]);
centres_taken:
    PyBuffer_Release(&views[0]);
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
    while (taken < 3 &&
           !ncs_take(args[taken], &views[taken], types[taken], 0, 1, shape))
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
    {"nearest", (PyCFunction)(void (*)(void))nearest, METH_FASTCALL, NULL},
    {"merge_closest", ncs_py_merge_closest, METH_VARARGS, NULL},
    {"cut_boxes", (PyCFunction)(void (*)(void))ncs_py_cut_boxes, METH_FASTCALL, NULL},
    {"go_on", (PyCFunction)(void (*)(void))ncs_py_go_on, METH_FASTCALL, NULL},
    {"forget", ncs_py_forget, METH_VARARGS, NULL},
    {"geometry", ncs_py_geometry, METH_VARARGS, NULL},
    {"neighbours", neighbours, METH_VARARGS, NULL},
    {"keep", ncs_py_keep, METH_VARARGS, NULL},
    {"lags", ncs_py_lags, METH_VARARGS, NULL},
    {"median", ncs_py_median, METH_O, NULL},
    {"move", (PyCFunction)(void (*)(void))ncs_py_move, METH_FASTCALL, NULL},
    {"observe", (PyCFunction)(void (*)(void))ncs_py_observe, METH_FASTCALL, NULL},
    {"overlaps", (PyCFunction)(void (*)(void))overlaps, METH_FASTCALL, NULL},
    {"partition", (PyCFunction)(void (*)(void))ncs_py_partition, METH_FASTCALL, NULL},
    {"refound", ncs_py_refound, METH_VARARGS, NULL},
    {"qualities", (PyCFunction)(void (*)(void))ncs_py_qualities, METH_FASTCALL, NULL},
    {"remap", ncs_py_remap, METH_VARARGS, NULL},
    {"upper_quartile", ncs_py_upper_quartile, METH_O, NULL},
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
