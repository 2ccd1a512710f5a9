/* The Python type around the loop: takes arrays, lets go of the GIL, nothing else. */
#include "arrays.h"
#include "score.h"

#define WORK_WORTH_A_RELEASE 65536 /* differences; about 10 us */
#define POINTS_WORTH_A_COPY 8

/* The arrays it works on, in the order in which they are taken. */
enum {
    CENTRES, SPREAD, WEIGHT, POINTS, LABEL, SEEN, SHIFT, SCALE, GAPS, NOVELTY, BACKGROUND,
    RECENT, RECENT_IDS, LEDGER_IDS, COUNTS, SHARES, LEDGER, STRANGENESS, PAST, BLOCKS,
    BLOCK, USUAL, DISTRIBUTION, BOX_SHIFT, BOX_SCALE, FEATURE, CUT, MIDDLE, REACH, BOUND
};

/* Whose they are. */
enum {
    MICRO, SCALER, GAPS_OWNER, NOVELTY_OWNER, BACKGROUND_OWNER, RECENT_OWNER, LEDGER_OWNER,
    STRANGENESS_OWNER, DISTRIBUTION_OWNER, HISTOGRAM, OWNERS
};

/* Lengths that only the first array which has one tells. */
enum { D = -1, CAPACITY = -2, GAP_COUNT = -3, POINT_COUNT = -4, COLUMNS = -5, LENGTHS = 5 };

static const struct {
    int owner;
    const char *name;
    char type;
    int writable, ndim;
    int shape[2]; /* a number or one of the lengths */
} arrays[BOUND] = {
    {MICRO, "centres", 'd', 1, 2, {D, CAPACITY}},
    {MICRO, "spread", 'd', 1, 2, {D, CAPACITY}},
    {MICRO, "weight", 'd', 1, 1, {CAPACITY}},
    {MICRO, "points", 'd', 1, 1, {CAPACITY}},
    {MICRO, "label", 'q', 1, 1, {CAPACITY}},
    {MICRO, "seen", 'q', 1, 1, {CAPACITY}},
    {SCALER, "shift", 'd', 0, 1, {D}},
    {SCALER, "scale", 'd', 0, 1, {D}},
    {GAPS_OWNER, "ring", 'd', 1, 1, {GAP_COUNT}},
    {NOVELTY_OWNER, "values", 'd', 1, 1, {NCS_NOVELTY_SIZE}},
    {BACKGROUND_OWNER, "values", 'd', 1, 1, {NCS_BACKGROUND_SIZE}},
    {RECENT_OWNER, "points", 'd', 1, 2, {POINT_COUNT, D}},
    {RECENT_OWNER, "ids", 'q', 1, 1, {POINT_COUNT}},
    {LEDGER_OWNER, "ids", 'q', 0, 1, {COLUMNS}},
    {LEDGER_OWNER, "counts", 'q', 1, 2, {NCS_COUNTS, COLUMNS}},
    {LEDGER_OWNER, "shares", 'd', 1, 2, {NCS_SHARES, COLUMNS}},
    {LEDGER_OWNER, "values", 'd', 1, 1, {NCS_LEDGER_SIZE}},
    {STRANGENESS_OWNER, "values", 'd', 1, 1, {NCS_STRANGENESS_SIZE}},
    {DISTRIBUTION_OWNER, "past", 'd', 1, 1, {NCS_ALL_CELLS}},
    {DISTRIBUTION_OWNER, "recent", 'i', 1, 2, {NCS_BLOCKS, NCS_ALL_CELLS}},
    {DISTRIBUTION_OWNER, "block", 'i', 1, 1, {NCS_CELLS}},
    {DISTRIBUTION_OWNER, "usual", 'd', 1, 2, {NCS_LEVELS, NCS_DISPERSION_SIZE}},
    {DISTRIBUTION_OWNER, "values", 'd', 1, 1, {NCS_DISTRIBUTION_SIZE}},
    {HISTOGRAM, "shift", 'd', 0, 1, {D}},
    {HISTOGRAM, "scale", 'd', 0, 1, {D}},
    {HISTOGRAM, "feature", 'q', 0, 1, {NCS_BOXES}},
    {HISTOGRAM, "cut", 'd', 0, 1, {NCS_BOXES}},
    {HISTOGRAM, "middle", 'f', 0, 2, {D, NCS_BOXES}},
    {HISTOGRAM, "reach", 'd', 0, 1, {NCS_BOXES}},
};

typedef struct {
    PyObject_HEAD
    PyObject *micro, *gaps, *recent;
    PyObject *count, *at, *filled; /* names of their attributes */
    Py_buffer views[BOUND];
    int bound; /* how many of the views are taken */
    double *scratch;
    ncs_loop loop;
    int busy;
} PointLoop;

/* Take all arrays of the owners. */
static int bind(PointLoop *self, PyObject *const *owners)
{
    Py_ssize_t lengths[LENGTHS + 1], shape[2];
    for (int i = 0; i <= LENGTHS; i++)
        lengths[i] = -1;
    for (; self->bound < BOUND; self->bound++) {
        int i = self->bound, ndim = arrays[i].ndim;
        for (int axis = 0; axis < ndim; axis++) {
            int wanted = arrays[i].shape[axis];
            shape[axis] = wanted < 0 ? lengths[-wanted] : wanted;
        }
        PyObject *array = PyObject_GetAttrString(owners[arrays[i].owner], arrays[i].name);
        if (array == NULL)
            return -1;
        int failed = ncs_take(array, &self->views[i], arrays[i].type, arrays[i].writable,
                              ndim, shape);
        Py_DECREF(array);
        if (failed)
            return -1;
        for (int axis = 0; axis < ndim; axis++)
            if (arrays[i].shape[axis] < 0)
                lengths[-arrays[i].shape[axis]] = self->views[i].shape[axis];
    }
    return 0;
}

/* Find what the watch has, and take all arrays. */
static int bind_all(PointLoop *self, PyObject *scaler, PyObject *novelty, PyObject *watch)
{
    static const char *const paths[][2] = {
        {"background", NULL},      {"recent", NULL},       {"drift", "ledger"},
        {"drift", "strangeness"},  {"distribution", NULL}, {"distribution", "histogram"},
    };
    PyObject *owners[OWNERS] = {self->micro, scaler, self->gaps, novelty};
    int found = BACKGROUND_OWNER, failed = 0;
    while (found < OWNERS && !failed) {
        const char *const *path = paths[found - BACKGROUND_OWNER];
        PyObject *owner = PyObject_GetAttrString(watch, path[0]);
        if (owner != NULL && path[1] != NULL)
            Py_SETREF(owner, PyObject_GetAttrString(owner, path[1]));
        failed = owner == NULL;
        if (!failed)
            owners[found++] = owner;
    }
    if (!failed) {
        self->recent = Py_NewRef(owners[RECENT_OWNER]);
        failed = bind(self, owners);
    }
    while (found > BACKGROUND_OWNER)
        Py_DECREF(owners[--found]);
    return failed;
}

/* Whether every label has a column, and every cut a feature: they are used as places. */
static int are_places(const ncs_loop *loop, ptrdiff_t count)
{
    const ncs_ledger *ledger = &loop->watch.ledger;
    int all = ledger->columns > 0 && ncs_column(ledger, -1) == 0;
    for (ptrdiff_t i = 0; all && i < count; i++)
        all = ncs_column(ledger, loop->micro.label[i]) >= 0;
    const ncs_histogram *histogram = &loop->watch.distribution.histogram;
    for (int i = 0; all && i < NCS_BOXES; i++)
        all = histogram->feature[i] >= 0 && histogram->feature[i] < histogram->dimension;
    if (!all)
        PyErr_SetString(PyExc_ValueError, "kernel: a label without a column of the ledger,"
                                          " or a cut along a feature that is not there");
    return all;
}

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
    Py_buffer *views = self->views;
    Py_ssize_t d = views[CENTRES].shape[0], capacity = views[CENTRES].shape[1];
    self->scratch = PyMem_Calloc(2 * d + capacity, sizeof(double));
    if (self->scratch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    ncs_loop *loop = &self->loop;
    loop->micro = (ncs_micro){
        .dimension = d,
        .capacity = capacity,
        .centres = views[CENTRES].buf,
        .spread = views[SPREAD].buf,
        .weight = views[WEIGHT].buf,
        .points = views[POINTS].buf,
        .label = views[LABEL].buf,
        .seen = views[SEEN].buf,
    };
    loop->shift = views[SHIFT].buf;
    loop->scale = views[SCALE].buf;
    loop->varying = 0.0;
    for (Py_ssize_t j = 0; j < d; j++)
        loop->varying += loop->scale[j] != 0.0;
    if (loop->varying < 1.0)
        loop->varying = 1.0;
    loop->watch = (ncs_watch){
        .ledger = {views[LEDGER_IDS].shape[0], views[LEDGER_IDS].buf, views[COUNTS].buf,
                   views[SHARES].buf, views[LEDGER].buf},
        .distribution = {{d, views[BOX_SHIFT].buf, views[BOX_SCALE].buf,
                          views[FEATURE].buf, views[CUT].buf, views[MIDDLE].buf,
                          views[REACH].buf, loop->cosine},
                         views[PAST].buf, views[BLOCKS].buf, views[BLOCK].buf,
                         views[USUAL].buf, views[DISTRIBUTION].buf},
        .background = views[BACKGROUND].buf,
        .strangeness = views[STRANGENESS].buf,
    };
    loop->novelty = views[NOVELTY].buf;
    loop->gaps = views[GAPS].buf;
    loop->gaps_capacity = views[GAPS].shape[0];
    loop->recent = views[RECENT].buf;
    loop->recent_ids = views[RECENT_IDS].buf;
    loop->recent_capacity = views[RECENT].shape[0];
    loop->raw = self->scratch;
    loop->z = self->scratch + d;
    loop->squared = self->scratch + 2 * d;
    ptrdiff_t count;
    return get(self->micro, self->count, capacity, &count) || !are_places(loop, count);
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
    self->recent = NULL;
    self->count = PyUnicode_InternFromString("count");
    self->at = PyUnicode_InternFromString("at");
    self->filled = PyUnicode_InternFromString("filled");
    self->bound = 0;
    self->scratch = NULL;
    self->busy = 0;
    self->loop.cosine = cosine;
    self->loop.burst_window = window;
    self->loop.burst_from = from;
    int named = self->count != NULL && self->at != NULL && self->filled != NULL;
    if (!named || bind_all(self, scaler, novelty, watch) || set_up(self)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void point_loop_dealloc(PointLoop *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (int i = 0; i < self->bound; i++)
        PyBuffer_Release(&self->views[i]);
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
