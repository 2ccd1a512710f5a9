/* `cut_boxes` for Python. */
#include "arrays.h"
#include "boxes.h"

/* Cut with the memory that it takes; return whether there was enough. */
static int cut(ncs_boxes *boxes, ptrdiff_t n)
{
    ptrdiff_t d = boxes->dimension;
    boxes->values = PyMem_Malloc((n + 2 * d + 1) * sizeof *boxes->values);
    boxes->who = PyMem_Malloc((2 * n + 1) * sizeof *boxes->who);
    int enough = boxes->values != NULL && boxes->who != NULL;
    if (enough) {
        boxes->sums = boxes->values + n;
        Py_BEGIN_ALLOW_THREADS
        ncs_cut_boxes(boxes, n);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(boxes->values);
    PyMem_Free(boxes->who);
    return enough;
}

/* cut_boxes(z, feature, cut, middle, reach) */
PyObject *ncs_py_cut_boxes(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 5)
        return PyErr_Format(PyExc_TypeError, "cut_boxes takes 5 arguments, got %zd", count);
    Py_buffer views[5];
    if (ncs_take(args[0], &views[0], 'd', 0, 2, (Py_ssize_t[]){-1, -1}))
        return NULL;
    Py_ssize_t n = views[0].shape[0], d = views[0].shape[1], b = NCS_BOXES;
    Py_ssize_t shapes[][2] = {{b}, {b}, {d, b}, {b}};
    const int dimensions[] = {1, 1, 2, 1};
    int taken = 1 + ncs_take_all(args + 1, views + 1, "qdfd", 0, dimensions, shapes);
    PyObject *done = NULL;
    if (taken == 5) {
        ncs_boxes boxes = {.dimension = d, .z = views[0].buf, .feature = views[1].buf,
                           .cut = views[2].buf, .middle = views[3].buf,
                           .reach = views[4].buf};
        done = cut(&boxes, n) ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    ncs_release(views, taken);
    return done;
}
