/* The Python type around the loop: takes arrays, lets go of the GIL, nothing else. */
#include "arrays.h"
#include "binding.h"
#include "score.h"

#define WORK_WORTH_A_RELEASE 65536 /* differences; about 10 us */
#define POINTS_WORTH_A_COPY 8

typedef struct {
    PyObject_HEAD
    PyObject *micro, *gaps, *recent;
    PyObject *count, *at, *filled; /* names of their attributes */
    ncs_binding binding;
    double *scratch;
    ncs_loop loop;
    int busy;
} PointLoop;

/* Read a number that Python keeps, in [0, most]. */
static int get(PyObject *owner, PyObject *name, ptrdiff_t most, ptrdiff_t *value)
{
    PyObject *attribute = PyObject_GetAttr(owner, name);
    if (attribute == NULL)
        return -1;
    *value = PyLong_AsSsize_t(attribute);
    Py_DECREF(attribute);
    if (*value == -1 && PyErr_Occurred())
        return -1;
    if (*value < 0 || *value > most) {
        PyErr_Format(PyExc_ValueError, "kernel: %U is %zd of %zd", name, *value, most);
        return -1;
    }
    return 0;
}

static int set_up(PointLoop *self)
{
    ncs_loop *loop = &self->loop;
    ncs_fill(&self->binding, loop);
    ptrdiff_t d = loop->micro.dimension, capacity = loop->micro.capacity;
    self->scratch = PyMem_Calloc(2 * d + capacity, sizeof(double));
    if (self->scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    loop->raw = self->scratch;
    loop->z = self->scratch + d;
    loop->squared = self->scratch + 2 * d;
    return get(self->micro, self->count, capacity, &loop->micro.count) ||
           ncs_check_places(loop);
}

static PyObject *point_loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *micro, *scaler, *gaps, *novelty, *watch;
    int cosine, window, from;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOOOOpii:PointLoop", &micro, &scaler, &gaps, &novelty,
                          &watch, &cosine, &window, &from))
        return NULL;
    if (window < 1 || window > 31)
        return PyErr_Format(PyExc_ValueError, "kernel: burst window of %d", window);
    PointLoop *self = PyObject_New(PointLoop, type);
    if (self == NULL)
        return NULL;
    self->micro = Py_NewRef(micro);
    self->gaps = Py_NewRef(gaps);
    self->recent = PyObject_GetAttrString(watch, "recent");
    self->count = PyUnicode_InternFromString("count");
    self->at = PyUnicode_InternFromString("at");
    self->filled = PyUnicode_InternFromString("filled");
    self->binding.bound = 0;
    self->scratch = NULL;
    self->busy = 0;
    self->loop.cosine = cosine;
    self->loop.burst_window = window;
    self->loop.burst_from = from;
    int found = self->recent != NULL && self->count != NULL && self->at != NULL &&
                self->filled != NULL;
    if (!found || ncs_bind(&self->binding, micro, scaler, gaps, novelty, watch) ||
        set_up(self)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void point_loop_dealloc(PointLoop *self)
{
    PyTypeObject *type = Py_TYPE(self);
    ncs_unbind(&self->binding);
    PyMem_Free(self->scratch);
    Py_DECREF(self->micro);
    Py_DECREF(self->gaps);
    Py_XDECREF(self->recent);
    Py_XDECREF(self->count);
    Py_XDECREF(self->at);
    Py_XDECREF(self->filled);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int put(PyObject *owner, PyObject *name, ptrdiff_t value)
{
    PyObject *number = PyLong_FromSsize_t(value);
    if (number == NULL)
        return -1;
    int failed = PyObject_SetAttr(owner, name, number);
    Py_DECREF(number);
    return failed;
}

/* The numbers that move with the arrays live in their Python owners between calls. */
static int get_numbers(PointLoop *self)
{
    ncs_loop *loop = &self->loop;
    ptrdiff_t gaps = loop->gaps_capacity, recent = loop->recent_capacity;
    return get(self->micro, self->count, loop->micro.capacity, &loop->micro.count) ||
           get(self->gaps, self->at, gaps - 1, &loop->gaps_at) ||
           get(self->gaps, self->filled, gaps, &loop->gaps_filled) ||
           get(self->recent, self->at, recent - 1, &loop->recent_at);
}

static int put_numbers(PointLoop *self)
{
    ncs_loop *loop = &self->loop;
    return put(self->micro, self->count, loop->micro.count) ||
           put(self->gaps, self->at, loop->gaps_at) ||
           put(self->gaps, self->filled, loop->gaps_filled) ||
           put(self->recent, self->at, loop->recent_at);
}

/* The arrays of one call. */
typedef struct {
    Py_buffer views[4];
    int taken;
    ncs_block block;
    ncs_verdicts verdicts;
} call;

static void end_call(call *c)
{
    while (c->taken > 0)
        PyBuffer_Release(&c->views[--c->taken]);
}

static int begin_call(PointLoop *self, call *c, PyObject *block, PyObject *const *out)
{
    static const char types[] = {'q', '?', 'f'};
    c->taken = 0;
    if (ncs_take_block(block, &c->views[0], &c->block))
        return -1;
    c->taken = 1;
    if (c->block.dimension != self->loop.micro.dimension) {
        PyErr_SetString(PyExc_ValueError, "kernel: block of another dimension");
        end_call(c);
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        const Py_ssize_t shape[1] = {c->block.count};
        if (ncs_take(out[i], &c->views[i + 1], types[i], 1, 1, shape)) {
            end_call(c);
            return -1;
        }
        c->taken++;
    }
    c->verdicts.ids = c->views[1].buf;
    c->verdicts.outliers = c->views[2].buf;
    c->verdicts.scores = c->views[3].buf;
    return 0;
}

static int take_floats(PyObject *const *args, int count, double *const *into)
{
    for (int i = 0; i < count; i++) {
        *into[i] = PyFloat_AsDouble(args[i]);
        if (*into[i] == -1.0 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int take_integers(PyObject *const *args, int count, int64_t *const *into)
{
    for (int i = 0; i < count; i++) {
        *into[i] = PyLong_AsLongLong(args[i]);
        if (*into[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

/* Two threads in one loop would write outside of the arrays. */
static int enter(PointLoop *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "an engine was called by two threads at once");
        return -1;
    }
    return get_numbers(self);
}

static int is_worth_a_release(const PointLoop *self, ptrdiff_t points)
{
    const ncs_micro *micro = &self->loop.micro;
    return points * (micro->count + 1) * micro->dimension >= WORK_WORTH_A_RELEASE;
}

/* Find room for a coarse copy of the centres, in this call alone: an engine that waits
 * for points needs none. Without room, and for few points, there is no copy. */
static void make_room(PointLoop *self, ptrdiff_t points)
{
    const ncs_micro *micro = &self->loop.micro;
    size_t floats = ncs_finder_floats(micro->dimension, micro->capacity);
    self->loop.coarse = NULL;
    if (points >= POINTS_WORTH_A_COPY)
        self->loop.coarse = PyMem_RawMalloc(floats * sizeof(float));
}

static PyObject *point_loop_learn(PointLoop *self, PyObject *const *args, Py_ssize_t n)
{
    int64_t start, stop, burst, crowded;
    ncs_dials dials;
    ncs_progress progress;
    int64_t *const places[] = {&start, &stop};
    int64_t *const integers[] = {&progress.learned, &progress.since_step, &burst, &crowded,
                                 &dials.look_until};
    double *const floats[] = {&dials.grain, &dials.radius, &dials.usual,
                              &dials.outlier_threshold, &dials.learning_rate,
                              &dials.sensitivity};
    call c;
    if (n != 17)
        return PyErr_Format(PyExc_TypeError, "learn takes 17 arguments, got %zd", n);
    if (take_integers(args + 1, 2, places) || take_integers(args + 6, 5, integers) ||
        take_floats(args + 11, 6, floats) || enter(self) ||
        begin_call(self, &c, args[0], args + 3))
        return NULL;
    if (start < 0 || stop > c.block.count) {
        end_call(&c);
        return PyErr_Format(PyExc_ValueError, "kernel: points outside of the block");
    }
    progress.burst = (uint32_t)burst;
    dials.crowded = crowded != 0;
    ptrdiff_t taken;
    ncs_reason reason;
    make_room(self, stop - start);
    if (is_worth_a_release(self, stop - start)) {
        self->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        reason = ncs_learn(&self->loop, &c.block, start, stop, &dials, &progress,
                           &c.verdicts, &taken);
        Py_END_ALLOW_THREADS
        self->busy = 0;
    } else {
        reason = ncs_learn(&self->loop, &c.block, start, stop, &dials, &progress,
                           &c.verdicts, &taken);
    }
    PyMem_RawFree(self->loop.coarse);
    end_call(&c);
    if (put_numbers(self))
        return NULL;
    return Py_BuildValue("niI", taken, (int)reason, progress.burst);
}

static PyObject *point_loop_judge(PointLoop *self, PyObject *const *args, Py_ssize_t n)
{
    ncs_dials dials = {0};
    double *const floats[] = {&dials.radius, &dials.usual, &dials.outlier_threshold};
    int64_t learned, *const integers[] = {&learned};
    call c;
    if (n != 8)
        return PyErr_Format(PyExc_TypeError, "judge takes 8 arguments, got %zd", n);
    if (take_integers(args + 4, 1, integers) || take_floats(args + 5, 3, floats) || enter(self) ||
        begin_call(self, &c, args[0], args + 1))
        return NULL;
    make_room(self, c.block.count);
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    ncs_judge(&self->loop, &c.block, &dials, learned, &c.verdicts);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyMem_RawFree(self->loop.coarse);
    end_call(&c);
    Py_RETURN_NONE;
}

static PyObject *point_loop_compare(PointLoop *self, PyObject *sensitivity)
{
    double value = PyFloat_AsDouble(sensitivity);
    const ncs_watch *watch = &self->loop.watch;
    if ((value == -1.0 && PyErr_Occurred()) || enter(self))
        return NULL;
    if (!ncs_has_cells(&watch->distribution))
        return PyErr_Format(PyExc_ValueError, "kernel: there are no cells");
    ncs_take_recent(&watch->distribution, ncs_recent(&self->loop),
                    (int64_t)watch->ledger.values[NCS_AT], value, self->loop.z);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"learn", (PyCFunction)(void (*)(void))point_loop_learn, METH_FASTCALL, NULL},
    {"compare", (PyCFunction)point_loop_compare, METH_O, NULL},
    {"judge", (PyCFunction)(void (*)(void))point_loop_judge, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "See numpy_kernel.PointLoop."},
    {Py_tp_new, point_loop_new},
    {Py_tp_dealloc, point_loop_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec ncs_point_loop_spec = {
    .name = "ncs_engine._native.PointLoop",
    .basicsize = sizeof(PointLoop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
