#include "microclusters.h"

#include <math.h>

#include "clones.h"
#include "distances.h"
#include "room.h"
#include "upkeep.h"

void ncs_absorb(ncs_micro *micro, ptrdiff_t index, const double *z, double rate)
{
    double points = micro->points[index] + 1.0;
    double step = 1.0 / points > rate ? 1.0 / points : rate;
    micro->weight[index] += 1.0;
    micro->points[index] = points;
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        double *centre = micro->centres + j * micro->capacity + index;
        double *spread = micro->spread + j * micro->capacity + index;
        double gap = z[j] - *centre;
        *centre += step * gap;
        *spread = (*spread + step * gap * gap) * (1.0 - step);
    }
}

ptrdiff_t ncs_found(ncs_micro *micro, const double *z, int64_t label)
{
    ptrdiff_t index = micro->count++;
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        micro->centres[j * micro->capacity + index] = z[j];
        micro->spread[j * micro->capacity + index] = 0.0;
    }
    micro->weight[index] = micro->points[index] = 1.0;
    micro->label[index] = label;
    return index;
}

int ncs_place(ncs_micro *micro, const double *z, ptrdiff_t nearest, double squared,
              int64_t label, double grain, double rate, int crowded, int64_t at,
              ptrdiff_t *index)
{
    int joins = nearest >= 0 && squared <= grain * grain;
    int full = micro->count == micro->capacity;
    if (!joins && full && !crowded)
        return 0;
    if (joins || full) {
        *index = nearest;
        ncs_absorb(micro, nearest, z, rate);
        if (micro->label[nearest] < 0)
            micro->label[nearest] = label;
    } else {
        *index = ncs_found(micro, z, label);
    }
    micro->seen[*index] = at;
    return 1;
}

static ptrdiff_t nearest_of(const ncs_micro *micro, const double *z, double *squared)
{
    ncs_squared_distances(micro->centres, micro->dimension, micro->capacity,
                          micro->count, z, squared);
    return ncs_argmin(squared, micro->count);
}

ptrdiff_t ncs_refound(ncs_micro *micro, const ncs_micro *before, const double *points,
                      ptrdiff_t start, ptrdiff_t n, int64_t at, double grain,
                      double rate, int crowded, double *squared)
{
    for (ptrdiff_t i = start; i < n; i++) {
        const double *z = points + i * micro->dimension;
        ptrdiff_t index, was = nearest_of(before, z, squared);
        ptrdiff_t nearest = nearest_of(micro, z, squared);
        double gap = nearest < 0 ? INFINITY : squared[nearest];
        if (!ncs_place(micro, z, nearest, gap, was < 0 ? -1 : before->label[was], grain,
                       rate, crowded && i == start, at, &index))
            return i;
    }
    return n;
}

/* Let `a` take what `b` has. */
static void take_in(ncs_micro *micro, ptrdiff_t a, ptrdiff_t b)
{
    double share = micro->weight[b] / (micro->weight[a] + micro->weight[b]);
    for (ptrdiff_t j = 0; j < micro->dimension; j++) {
        double *centre = micro->centres + j * micro->capacity;
        double *spread = micro->spread + j * micro->capacity;
        double gap = centre[b] - centre[a];
        centre[a] += share * gap;
        spread[a] += share * (spread[b] - spread[a]);
        spread[a] += share * (1.0 - share) * gap * gap;
    }
    micro->weight[a] += micro->weight[b];
    micro->points[a] += micro->points[b];
    if (micro->seen[b] > micro->seen[a])
        micro->seen[a] = micro->seen[b];
}

/* What merging works with; `squared` is infinite where a pair may not be merged. */
typedef struct {
    ncs_micro *micro;
    ptrdiff_t stride; /* of the rows of `squared` */
    double *squared;  /* (count, stride) */
    double *z;        /* (dimension), the centre that moved */
    double *least;    /* (count), the least of each row of `squared` */
    int64_t *nearest; /* (count), where it is */
    uint8_t *alive;   /* (count) */
} merging;

static void look_again(merging *m, ptrdiff_t i)
{
    const double *row = m->squared + i * m->stride;
    m->nearest[i] = ncs_argmin(row, m->micro->count);
    m->least[i] = row[m->nearest[i]];
}

/* Bar an entry from those beyond the limit, and from all but those of its cluster. */
NCS_CLONES
static void bar(const int64_t *label, int64_t own, ptrdiff_t count, double limit,
                double *row)
{
    for (ptrdiff_t j = 0; j < count; j++) {
        double v = row[j] > limit ? INFINITY : row[j];
        row[j] = label[j] == own ? v : INFINITY;
    }
}

static void begin(merging *m, double limit)
{
    ptrdiff_t count = m->micro->count;
    const int64_t *label = m->micro->label;
    ncs_pairwise(m->micro->centres, m->micro->dimension, m->micro->capacity, count, m->z,
                 m->squared, m->stride);
    for (ptrdiff_t i = 0; i < count; i++) {
        double *row = m->squared + i * m->stride;
        row[i] = INFINITY;
        bar(label, label[i], count, label[i] < 0 ? -1.0 : limit, row);
        m->alive[i] = 1;
        look_again(m, i);
    }
}

/* `b` went into `a`, whose centre moved: work out their distances anew. */
static void follow(merging *m, ptrdiff_t a, ptrdiff_t b)
{
    ptrdiff_t count = m->micro->count;
    double *moved = m->squared + a * m->stride;
    double *gone = m->squared + b * m->stride;
    for (ptrdiff_t j = 0; j < m->micro->dimension; j++)
        m->z[j] = m->micro->centres[j * m->micro->capacity + a];
    /* The row of what went is free to take the new distances. */
    ncs_squared_distances(m->micro->centres, m->micro->dimension, m->micro->capacity,
                          count, m->z, gone);
    for (ptrdiff_t i = 0; i < count; i++) {
        int barred = moved[i] == INFINITY || !m->alive[i];
        moved[i] = barred ? INFINITY : gone[i];
        gone[i] = INFINITY;
        m->squared[i * m->stride + a] = moved[i];
        m->squared[i * m->stride + b] = INFINITY;
    }
    m->least[b] = INFINITY;
    look_again(m, a);
    for (ptrdiff_t i = 0; i < count; i++) {
        if (i == a || !m->alive[i])
            continue;
        if (m->nearest[i] == a || m->nearest[i] == b)
            look_again(m, i);
        else if (moved[i] < m->least[i] ||
                 (moved[i] == m->least[i] && a < m->nearest[i])) {
            m->least[i] = moved[i];
            m->nearest[i] = a;
        }
    }
}

static void lay_out(merging *m, ncs_micro *micro, ncs_room *room)
{
    size_t count = micro->count, each = sizeof(double);
    m->micro = micro;
    m->stride = ncs_pitch(micro->count);
    m->squared = ncs_room_take(room, count * m->stride, each);
    m->z = ncs_room_take(room, micro->dimension, each);
    m->least = ncs_room_take(room, count, each);
    m->nearest = ncs_room_take(room, count, sizeof *m->nearest);
    m->alive = ncs_room_take(room, count, sizeof *m->alive);
}

size_t ncs_merging_bytes(ncs_micro *micro)
{
    merging m;
    ncs_room room = {NULL, 0};
    lay_out(&m, micro, &room);
    return room.used + NCS_ROOM_LINE;
}

double ncs_merge_closest(ncs_micro *micro, ptrdiff_t target, double limit, void *block)
{
    merging m;
    ncs_room room = ncs_room_in(block);
    double farthest = 0.0;
    lay_out(&m, micro, &room);
    begin(&m, limit);
    for (ptrdiff_t left = micro->count; left > target; left--) {
        ptrdiff_t a = ncs_argmin(m.least, micro->count);
        if (m.least[a] == INFINITY)
            break;
        ptrdiff_t b = m.nearest[a];
        if (m.least[a] > farthest)
            farthest = m.least[a];
        if (micro->weight[b] > micro->weight[a]) {
            ptrdiff_t swap = a;
            a = b;
            b = swap;
        }
        take_in(micro, a, b);
        m.alive[b] = 0;
        follow(&m, a, b);
    }
    ncs_keep(micro, m.alive);
    return farthest;
}
