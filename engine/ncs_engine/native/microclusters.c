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

/* What merging works with. Only entries of one cluster are merged, so it goes by places
 * at which these lie side by side, in their order; `squared` is infinite where a pair may
 * not be merged. */
typedef struct {
    ncs_micro *micro;
    ptrdiff_t stride;         /* of rows */
    ptrdiff_t *order, *place; /* (count) entry at a place; place of an entry, or -1 */
    ptrdiff_t *first, *size;  /* (count) of the cluster at a place */
    double *centres;          /* (dimension, stride), by place */
    double *squared;          /* (count, stride): of a place to those of its cluster */
    double *z;                /* (dimension), scratch */
    double *least;            /* (count), the least of the row of an entry */
    int64_t *nearest;         /* (count), to which entry that is */
    uint8_t *alive;           /* (count) */
} merging;

static void look_again(merging *m, ptrdiff_t i)
{
    ptrdiff_t p = m->place[i];
    const double *row = m->squared + p * m->stride;
    ptrdiff_t where = ncs_argmin(row, m->size[p]);
    m->nearest[i] = m->order[m->first[p] + where];
    m->least[i] = row[where];
}

/* Work out the distances of the entry at a place to those of its cluster. */
static void measure(merging *m, ptrdiff_t p, double *row)
{
    for (ptrdiff_t j = 0; j < m->micro->dimension; j++)
        m->z[j] = m->centres[j * m->stride + p];
    ncs_squared_distances(m->centres + m->first[p], m->micro->dimension, m->stride,
                          m->size[p], m->z, row);
}

static void fetch_centre(merging *m, ptrdiff_t i)
{
    for (ptrdiff_t j = 0; j < m->micro->dimension; j++)
        m->centres[j * m->stride + m->place[i]] =
            m->micro->centres[j * m->micro->capacity + i];
}

/* Put the entries of every cluster side by side; return how many have one. */
static ptrdiff_t gather(merging *m)
{
    const int64_t *label = m->micro->label;
    ptrdiff_t count = m->micro->count, placed = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        m->place[i] = -1;
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t first = placed;
        if (label[i] < 0 || m->place[i] >= 0)
            continue;
        for (ptrdiff_t j = i; j < count; j++)
            if (label[j] == label[i]) {
                m->order[placed] = j;
                m->place[j] = placed++;
                fetch_centre(m, j);
            }
        for (ptrdiff_t p = first; p < placed; p++) {
            m->first[p] = first;
            m->size[p] = placed - first;
        }
    }
    return placed;
}

static void begin(merging *m, double limit)
{
    for (ptrdiff_t i = 0; i < m->micro->count; i++) {
        m->alive[i] = 1;
        m->least[i] = INFINITY;
    }
    ptrdiff_t placed = gather(m);
    for (ptrdiff_t p = 0; p < placed; p++) {
        double *row = m->squared + p * m->stride;
        measure(m, p, row);
        row[p - m->first[p]] = INFINITY;
        for (ptrdiff_t j = 0; j < m->size[p]; j++)
            row[j] = row[j] > limit ? INFINITY : row[j];
        look_again(m, m->order[p]);
    }
}

/* `b` went into `a`, whose centre moved: work out their distances anew. */
static void follow(merging *m, ptrdiff_t a, ptrdiff_t b)
{
    ptrdiff_t pa = m->place[a], pb = m->place[b], first = m->first[pa];
    double *moved = m->squared + pa * m->stride, *gone = m->squared + pb * m->stride;
    fetch_centre(m, a);
    measure(m, pa, gone); /* the row of what went is free */
    for (ptrdiff_t k = 0; k < m->size[pa]; k++) {
        int barred = moved[k] == INFINITY || !m->alive[m->order[first + k]];
        moved[k] = barred ? INFINITY : gone[k];
        gone[k] = INFINITY;
        m->squared[(first + k) * m->stride + pa - first] = moved[k];
        m->squared[(first + k) * m->stride + pb - first] = INFINITY;
    }
    m->least[b] = INFINITY;
    look_again(m, a);
    for (ptrdiff_t k = 0; k < m->size[pa]; k++) {
        ptrdiff_t i = m->order[first + k];
        if (i == a || !m->alive[i])
            continue;
        if (m->nearest[i] == a || m->nearest[i] == b)
            look_again(m, i);
        else if (moved[k] < m->least[i] ||
                 (moved[k] == m->least[i] && a < m->nearest[i])) {
            m->least[i] = moved[k];
            m->nearest[i] = a;
        }
    }
}

static void lay_out(merging *m, ncs_micro *micro, ncs_room *room)
{
    size_t count = micro->count, each = sizeof(double);
    m->micro = micro;
    m->stride = ncs_pitch(micro->count);
    m->order = ncs_room_take(room, count, sizeof *m->order);
    m->place = ncs_room_take(room, count, sizeof *m->place);
    m->first = ncs_room_take(room, count, sizeof *m->first);
    m->size = ncs_room_take(room, count, sizeof *m->size);
    m->centres = ncs_room_take(room, micro->dimension * m->stride, each);
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
