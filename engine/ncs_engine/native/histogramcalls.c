#include "arrays.h"
#include "boxes.h"

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
    int taken = 1 + ncs_take_all(rest, views + 1, "ddqdfdq", 6, dimensions, shapes);
    double *scratch = NULL;
    PyObject *done = NULL;
    if (taken < 8) {
        ;
    } else if (!ncs_all_below(views[3].buf, b, d)) {
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
    ncs_release(views, taken);
    return done;
}

/* Standardise the points and cut them; return whether there was memory for it. */
static int cut_boxes(ncs_boxes *boxes, const double *points, ptrdiff_t n,
                     const ncs_histogram *by)
{
    ptrdiff_t d = boxes->dimension;
    double *scratch = PyMem_Malloc(ncs_boxes_doubles(n, d) * sizeof *scratch);
    boxes->who = PyMem_Malloc((2 * n + 1) * sizeof *boxes->who);
    int enough = scratch != NULL && boxes->who != NULL;
    if (enough) {
        boxes->z = scratch;
        boxes->values = scratch + n * d;
        boxes->sums = boxes->values + n;
        Py_BEGIN_ALLOW_THREADS
        for (ptrdiff_t i = 0; i < n; i++)
            ncs_clamped(by, points + i * d, boxes->z + i * d);
        ncs_cut_boxes(boxes, n);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(scratch);
    PyMem_Free(boxes->who);
    return enough;
}

/* cut_boxes(points, shift, scale, farthest, feature, cut, middle, reach) */
PyObject *ncs_py_cut_boxes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 8)
        return PyErr_Format(PyExc_TypeError, "cut_boxes takes 8 arguments, got %zd", count);
    double farthest = PyFloat_AsDouble(args[3]);
    Py_buffer views[7];
    if (PyErr_Occurred() || ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t n = views[0].shape[0], d = views[0].shape[1], b = NCS_BOXES;
    PyObject *const rest[] = {args[1], args[2], args[4], args[5], args[6], args[7]};
    Py_ssize_t shapes[][2] = {{d}, {d}, {b}, {b}, {d, b}, {b}};
    const int dimensions[] = {1, 1, 1, 1, 2, 1};
    int taken = 1 + ncs_take_all(rest, views + 1, "ddqdfd", 2, dimensions, shapes);
    PyObject *done = NULL;
    if (taken == 7) {
        ncs_histogram by = {.dimension = d, .shift = views[1].buf, .scale = views[2].buf,
                            .farthest = farthest};
        ncs_boxes boxes = {.dimension = d, .feature = views[3].buf, .cut = views[4].buf,
                           .middle = views[5].buf, .reach = views[6].buf};
        if (cut_boxes(&boxes, views[0].buf, n, &by))
            done = Py_NewRef(Py_None);
        else
            PyErr_NoMemory();
    }
    ncs_release(views, taken);
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
    int taken = ncs_take_all(args, views, "did", 2, dimensions, shapes);
    PyObject *done = NULL;
    if (taken == 3) {
        ncs_chi_squares(views[0].buf, views[1].buf, views[2].buf);
        done = Py_NewRef(Py_None);
    }
    ncs_release(views, taken);
    return done;
}
