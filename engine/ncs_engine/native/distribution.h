/* Whether points fall into the cells as they did; twins: distribution.py and
 * dispersion.py, where it is explained. */
#ifndef NCS_DISTRIBUTION_H
#define NCS_DISTRIBUTION_H

#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#define NCS_BLOCKS 3            /* that are kept */
#define NCS_LEVELS 2            /* cells and coarse cells */
#define NCS_DISPERSION_SIZE 5

/* Places in Distribution.values. */
enum {
    NCS_TOLD, NCS_GATHERED, NCS_FULL_BLOCKS, NCS_HELD, NCS_SHIFTED, NCS_DISTRIBUTION_SIZE
};

typedef struct {
    ncs_histogram histogram;
    double *past;    /* (NCS_ALL_CELLS) */
    int32_t *recent; /* (NCS_BLOCKS, NCS_ALL_CELLS), the youngest last */
    int32_t *block;  /* (NCS_CELLS) */
    double *usual;   /* (NCS_LEVELS, NCS_DISPERSION_SIZE) */
    double *values;  /* (NCS_DISTRIBUTION_SIZE) */
} ncs_distribution;

/* The last points, a ring. */
typedef struct {
    const double *points; /* (capacity, d), raw */
    ptrdiff_t capacity, at; /* where the next one goes */
} ncs_ring;

/* Whether there are cells; without them only Python can take points. */
int ncs_has_cells(const ncs_distribution *distribution);

/* Take the points since the last time; return whether something was found.
 *
 * INOUT distribution  has cells
 * IN    at            number of points learned
 * IN    sensitivity   see EngineParams.drift_sensitivity
 * OUT   scratch       double (d)
 */
int ncs_take_recent(const ncs_distribution *distribution, ncs_ring recent, int64_t at,
                    double sensitivity, double *scratch);

#endif
