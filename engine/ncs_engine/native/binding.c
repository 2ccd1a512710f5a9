#include "binding.h"

#include "score.h"

/* The arrays, in the order in which they are taken. */
enum {
    CENTRES, SPREAD, WEIGHT, POINTS, LABEL, SEEN, SHIFT, SCALE, GAPS, NOVELTY, BACKGROUND,
    RECENT, RECENT_IDS, LEDGER_IDS, COUNTS, SHARES, LEDGER, STRANGENESS, PAST, BLOCKS,
    BLOCK, USUAL, DISTRIBUTION, BOX_SHIFT, BOX_SCALE, FEATURE, CUT, MIDDLE, REACH
};

/* Whose they are. */
enum {
    MICRO, SCALER, GAPS_OWNER, NOVELTY_OWNER, OF_WATCH, BACKGROUND_OWNER = OF_WATCH,
    RECENT_OWNER, LEDGER_OWNER, STRANGENESS_OWNER, DISTRIBUTION_OWNER, HISTOGRAM, OWNERS
};

/* Lengths that only the first array which has one tells. */
enum { D = -1, CAPACITY = -2, GAP_COUNT = -3, POINT_COUNT = -4, COLUMNS = -5, LENGTHS = 5 };

static const struct {
    int owner;
    const char *name;
    char type;
    int writable, ndim;
    int shape[2]; /* a number or one of the lengths */
} arrays[NCS_BOUND] = {
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

/* Take all arrays of the owners. */
static int take_all(ncs_binding *self, PyObject *const *owners)
{
    Py_ssize_t lengths[LENGTHS + 1], shape[2];
    for (int i = 0; i <= LENGTHS; i++)
        lengths[i] = -1;
    for (; self->bound < NCS_BOUND; self->bound++) {
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

int ncs_bind(ncs_binding *binding, PyObject *micro, PyObject *scaler, PyObject *gaps,
             PyObject *novelty, PyObject *watch)
{
    static const char *const paths[][2] = {
        {"background", NULL},     {"recent", NULL},       {"drift", "ledger"},
        {"drift", "strangeness"}, {"distribution", NULL}, {"distribution", "histogram"},
    };
    PyObject *owners[OWNERS] = {micro, scaler, gaps, novelty};
    int found = OF_WATCH, failed = 0;
    while (found < OWNERS && !failed) {
        const char *const *path = paths[found - OF_WATCH];
        PyObject *owner = PyObject_GetAttrString(watch, path[0]);
        if (owner != NULL && path[1] != NULL)
            Py_SETREF(owner, PyObject_GetAttrString(owner, path[1]));
        failed = owner == NULL;
        if (!failed)
            owners[found++] = owner;
    }
    if (!failed)
        failed = take_all(binding, owners);
    while (found > OF_WATCH)
        Py_DECREF(owners[--found]);
    return failed ? -1 : 0;
}

void ncs_fill(const ncs_binding *binding, ncs_loop *loop)
{
    const Py_buffer *views = binding->views;
    Py_ssize_t d = views[CENTRES].shape[0], capacity = views[CENTRES].shape[1];
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
}

/* Every label has to have a column, and every cut a feature. */
int ncs_check_places(const ncs_loop *loop)
{
    const ncs_ledger *ledger = &loop->watch.ledger;
    int all = ledger->columns > 0 && ncs_column(ledger, -1) == 0;
    for (ptrdiff_t i = 0; all && i < loop->micro.count; i++)
        all = ncs_column(ledger, loop->micro.label[i]) >= 0;
    const ncs_histogram *histogram = &loop->watch.distribution.histogram;
    for (int i = 0; all && i < NCS_BOXES; i++)
        all = histogram->feature[i] >= 0 && histogram->feature[i] < histogram->dimension;
    if (!all)
        PyErr_SetString(PyExc_ValueError, "kernel: a label without a column of the ledger,"
                                          " or a cut along a feature that is not there");
    return all ? 0 : -1;
}

void ncs_unbind(ncs_binding *binding)
{
    while (binding->bound > 0)
        PyBuffer_Release(&binding->views[--binding->bound]);
}
