/* The look for drift between density steps; twins: watch.py, and what it calls of
 * drift.py, strangeness.py, shares.py and silence.py, where it is explained. */
#ifndef NCS_WATCH_H
#define NCS_WATCH_H

#include "distribution.h"
#include "ledger.h"

#define NCS_LOOK_POINTS 256

/* Places in Strangeness.values. */
enum {
    NCS_S_RECENT, NCS_S_PAST, NCS_S_SQUARE, NCS_S_FRESH, NCS_S_POINTS, NCS_S_WANDER,
    NCS_S_LOOKS, NCS_STRANGENESS_SIZE
};

typedef struct {
    ncs_ledger ledger;
    ncs_distribution distribution;
    double *background;  /* (NCS_BACKGROUND_SIZE) */
    double *strangeness; /* (NCS_STRANGENESS_SIZE) */
} ncs_watch;

/* Return whether the points since the last look are worth a density step.
 *
 * INOUT watch        has cells
 * IN    recent       the last points
 * IN    sensitivity  see EngineParams.drift_sensitivity
 * OUT   scratch      double (d)
 */
int ncs_look(const ncs_watch *watch, ncs_ring recent, double sensitivity, double *scratch);

#endif
