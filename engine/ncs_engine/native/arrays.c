#include "arrays.h"

#include <string.h>

/* Return the type code of a native format, or 0. */
static char type_of(const Py_buffer *view)
{
    const char *format = view->format == NULL ? "B" : view->format;
    if (*format == '@' || *format == '=')
        format++;
#if !PY_BIG_ENDIAN
    else if (*format == '<')
        format++;
#endif
    if (format[0] == '\0' || format[1] != '\0')
        return 0;
    /* int64 is called long on some systems and long long on others. */
    if ((*format == 'l' || *format == 'q') && view->itemsize == sizeof(int64_t))
        return 'q';
    return *format;
}

int ncs_take(PyObject *object, Py_buffer *view, char type, int writable, int ndim,
             const Py_ssize_t *shape)
{
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags) < 0)
        return -1;
    int fits = view->ndim == ndim && type_of(view) == type;
    for (int i = 0; fits && i < ndim; i++)
        fits = shape[i] < 0 || view->shape[i] == shape[i];
    if (fits)
        return 0;
    PyErr_Format(PyExc_ValueError, "kernel: array of type %s and %d axes does not fit",
                 view->format == NULL ? "B" : view->format, view->ndim);
    PyBuffer_Release(view);
    return -1;
}

int ncs_take_all(PyObject *const *objects, Py_buffer *views, const char *types,
                 int writable_from, const int *dimensions, Py_ssize_t shapes[][2])
{
    int i = 0;
    while (types[i] && !ncs_take(objects[i], &views[i], types[i], i >= writable_from,
                                 dimensions[i], shapes[i]))
        i++;
    return i;
}

void ncs_release(Py_buffer *views, int taken)
{
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
}

int ncs_all_below(const int64_t *numbers, Py_ssize_t count, int64_t limit)
{
    int all = 1;
    for (Py_ssize_t i = 0; i < count; i++)
        all &= numbers[i] >= 0 && numbers[i] < limit;
    return all;
}

int ncs_take_block(PyObject *object, Py_buffer *view, ncs_block *block)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    char type = type_of(view);
    if (view->ndim != 2 || (type != 'd' && type != 'f')) {
        PyErr_SetString(PyExc_ValueError,
                        "kernel: a block has to be float32 or float64 (n, d)");
        PyBuffer_Release(view);
        return -1;
    }
    block->rows = view->buf;
    block->count = view->shape[0];
    block->dimension = view->shape[1];
    block->is_float32 = type == 'f';
    return 0;
}
