/* `partition` for Python: takes the arrays, and finds the memory to work in. */
#include "arrays.h"
#include "partition.h"

/* Memory that partitions work in is kept from one to the next: to get it from the
 * system anew, page by page, took longer than the partition. There is a block for each
 * of those that run at once, up to KEPT; what is above LARGEST goes back at once. With
 * 256 micro-clusters and 256 recent points it is 1.0 MB in 10 dimensions, 2.9 in 128.
 * Only touched with the GIL held. */
#define KEPT 2
#define LARGEST ((size_t)4 << 20)

typedef struct {
    void *bytes;
    size_t size;
} block;

static block kept[KEPT];

/* Return a block of `size` bytes at least; without bytes if there is no memory. */
static block borrow(size_t size)
{
    for (int i = 0; i < KEPT; i++)
        if (kept[i].size >= size) {
            block found = kept[i];
            kept[i] = (block){NULL, 0};
            return found;
        }
    return (block){PyMem_RawMalloc(size), size};
}

/* Keep the block, in place of the smallest one, or give it back. */
static void give_back(block b)
{
    int least = 0;
    for (int i = 1; i < KEPT; i++)
        if (kept[i].size < kept[least].size)
            least = i;
    if (b.size <= LARGEST && b.size > kept[least].size) {
        block smaller = kept[least];
        kept[least] = b;
        b = smaller;
    }
    PyMem_RawFree(b.bytes);
}

/* Take the arrays of `partition`; return how many, with an error if not all. */
static int take_crowd(PyObject *const *args, Py_buffer *views, Py_ssize_t count)
{
    static const char types[] = {'d', 'd', 'd', 'q', 'd', 'q'};
    for (int i = 0; i < 6; i++) {
        int two = i < 2 || i == 4, last = i == 5;
        Py_ssize_t shape[2] = {-1, -1};
        if (i == 1) {
            shape[0] = views[0].shape[0];
            shape[1] = views[0].shape[1];
        } else if (i == 4)
            shape[1] = views[0].shape[0];
        else if (i)
            shape[0] = last ? count : views[0].shape[1];
        if (ncs_take(args[i], &views[i], types[i], last, two ? 2 : 1, shape))
            return i;
    }
    return 6;
}

static PyObject *run(const ncs_crowd *crowd, int64_t *component)
{
    if (crowd->count == 0)
        Py_RETURN_NONE;
    block b = borrow(ncs_partition_bytes(crowd));
    if (b.bytes == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    ncs_partition(crowd, b.bytes, component);
    Py_END_ALLOW_THREADS
    give_back(b);
    Py_RETURN_NONE;
}

PyObject *ncs_py_partition(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    (void)module;
    if (n != 9)
        return PyErr_Format(PyExc_TypeError, "partition takes 9 arguments, got %zd", n);
    PyObject *const arrays[] = {args[0], args[1], args[2], args[3], args[5], args[8]};
    Py_ssize_t count = PyLong_AsSsize_t(args[4]);
    double threshold = PyFloat_AsDouble(args[6]), reach = PyFloat_AsDouble(args[7]);
    if (PyErr_Occurred())
        return NULL;
    Py_buffer views[6];
    PyObject *done = NULL;
    int taken = take_crowd(arrays, views, count);
    if (taken == 6 && (count < 0 || count > views[0].shape[1])) {
        PyErr_SetString(PyExc_ValueError, "kernel: more micro-clusters than there are");
    } else if (taken == 6) {
        ncs_crowd crowd = {(int)count, (int)views[0].shape[0], (int)views[4].shape[0],
                           (int)views[0].shape[1], views[0].buf, views[1].buf,
                           views[2].buf, views[3].buf, views[4].buf, threshold, reach};
        done = run(&crowd, views[5].buf);
    }
    while (taken > 0)
        PyBuffer_Release(&views[--taken]);
    return done;
}
