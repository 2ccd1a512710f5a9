#include "score.h"

#include <math.h>

#define LIMIT_RADII 4.0
#define BOTH 1.5

double ncs_outlier_score(double gap, double radius, double usual)
{
    if (radius <= 0.0 || gap == 0.0)
        return gap <= radius ? 0.0 : 1.0;
    if (gap == INFINITY)
        return 1.0;
    double ratio = gap / (LIMIT_RADII * radius);
    double score = ratio * ratio / (1.0 + ratio * ratio);
    if (gap <= usual)
        return score;
    return BOTH * score < 1.0 ? BOTH * score : 1.0;
}
