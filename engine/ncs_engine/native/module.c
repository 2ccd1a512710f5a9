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

static PyMethodDef functions[] = {
    {"fits", (PyCFunction)(void (*)(void))fits, METH_FASTCALL, NULL},
    {"pairwise_squared_distances", pairwise_squared_distances, METH_VARARGS, NULL},
    {"merge_closest", merge_closest, METH_VARARGS, NULL},
    {"partition", (PyCFunction)(void (*)(void))ncs_py_partition, METH_FASTCALL, NULL},
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
