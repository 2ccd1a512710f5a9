#include "arrays.h"
#include "histogram.h"

/* Take arrays of given types; return how many, with an error if not all. */
static int take_all(PyObject *const *args, Py_buffer *views, const char *types,
                    const int *dimensions, Py_ssize_t shapes[][2], int writable)
{
    int i = 0;
    while (types[i] && !ncs_take(args[i], &views[i], types[i], i == writable,
                                 dimensions[i], shapes[i]))
        i++;
    return i;
}

static int stays_below(const int64_t *feature, ptrdiff_t d)
{
    for (int i = 0; i < NCS_BOXES; i++)
        if (feature[i] < 0 || feature[i] >= d)
            return 0;
    return 1;
}

/* histogram_cells(points, shift, scale, feature, cut, middle, reach, farthest, cell) */
PyObject *ncs_py_histogram_cells(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 9)
        return PyErr_Format(PyExc_TypeError,
                            "histogram_cells takes 9 arguments, got %zd", count);
    double farthest = PyFloat_AsDouble(args[7]);
    Py_buffer views[8];
    if (PyErr_Occurred() || ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t n = views[0].shape[0], d = views[0].shape[1], b = NCS_BOXES;
    PyObject *const rest[] = {args[1], args[2], args[3], args[4], args[5], args[6], args[8]};
    Py_ssize_t shapes[][2] = {{d}, {d}, {b}, {b}, {d, b}, {b}, {n}};
    const int dimensions[] = {1, 1, 1, 1, 2, 1, 1};
    int taken = 1 + take_all(rest, views + 1, "ddqdfdq", dimensions, shapes, 6);
    double *scratch = NULL;
    PyObject *done = NULL;
    if (taken < 8) {
        ;
    } else if (!stays_below(views[3].buf, d)) {
        PyErr_SetString(PyExc_ValueError, "kernel: a cut along a feature that is not there");
    } else if ((scratch = PyMem_Calloc(d + 1, sizeof(double))) == NULL) {
        PyErr_NoMemory();
    } else {
        ncs_histogram in = {d,            views[1].buf, views[2].buf, views[3].buf,
                            views[4].buf, views[5].buf, views[6].buf, farthest};
        Py_BEGIN_ALLOW_THREADS
        ncs_cells(&in, views[0].buf, n, scratch, views[7].buf);
        Py_END_ALLOW_THREADS
        done = Py_NewRef(Py_None);
    }
    PyMem_Free(scratch);
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}

/* chi_squares(past, recent, told) */
PyObject *ncs_py_chi_squares(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 3)
        return PyErr_Format(PyExc_TypeError, "chi_squares takes 3 arguments, got %zd",
                            count);
    Py_buffer views[3];
    Py_ssize_t shapes[][2] = {
        {NCS_CELLS + NCS_COARSE}, {3, NCS_CELLS + NCS_COARSE}, {3, 2 * NCS_PAIRS}};
    const int dimensions[] = {1, 2, 2};
    int taken = take_all(args, views, "did", dimensions, shapes, 2);
    PyObject *done = NULL;
    if (taken == 3) {
        ncs_chi_squares(views[0].buf, views[1].buf, views[2].buf);
        done = Py_NewRef(Py_None);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}
