#include "score.h"

#include <math.h>

#define BOTH 1.5
#define HALF 0.5
#define LIFT 0.4
#define RUN_POINTS 16.0
#define LASTING_POINTS 256.0
#define STRUCTURE_MEMORY 8192.0

double ncs_outlier_score(double gap, double radius, double usual)
{
    if (radius <= 0.0 || gap == 0.0)
        return gap <= radius ? 0.0 : 1.0;
    if (gap == INFINITY)
        return 1.0;
    double ratio = gap / (NCS_LIMIT_RADII * radius);
    ratio *= ratio;
    if (ratio > 1e100)
        return 1.0;
    double score = ratio * ratio / (1.0 + ratio * ratio);
    if (gap <= usual)
        return score;
    return BOTH * score < 1.0 ? BOTH * score : 1.0;
}

static double strangeness(double score, double norm)
{
    return 1.0 - (1.0 - score) / (1.0 + norm);
}

double ncs_lift(const double *background, double score, double norm)
{
    double weight = background[NCS_RUN_WEIGHT], recent = background[NCS_RECENT];
    double strange = strangeness(score, norm);
    recent += (strange - recent) / RUN_POINTS;
    double lasting = (strange + weight * recent) / (1.0 + weight);
    double top = score >= HALF ? 1.0 : HALF;
    return score + LIFT * lasting * (top - score);
}

void ncs_add_strangeness(double *background, double score, double norm)
{
    double *b = background;
    double strange = strangeness(score, norm);
    b[NCS_RECENT] += (strange - b[NCS_RECENT]) / RUN_POINTS;
    double deviation = strange - b[NCS_MEAN];
    b[NCS_MEAN] += deviation / LASTING_POINTS;
    b[NCS_VARIANCE] += (deviation * deviation - b[NCS_VARIANCE]) / LASTING_POINTS;
    double product = deviation * b[NCS_LAST];
    b[NCS_COVARIANCE] += (product - b[NCS_COVARIANCE]) / LASTING_POINTS;
    b[NCS_LAST] = deviation;
    b[NCS_POINTS] += 1.0;
    b[NCS_TOTAL] += strange;
    b[NCS_SQUARES] += strange * strange;
}

void ncs_add_agreement(double *novelty, int agrees)
{
    novelty[NCS_RATE] += (agrees - novelty[NCS_RATE]) / STRUCTURE_MEMORY;
    novelty[NCS_EVIDENCE] += agrees ? novelty[NCS_GAIN] : -novelty[NCS_LOSS];
    novelty[NCS_SPAN] += 1.0;
    novelty[NCS_AGREEING] += agrees;
    if (novelty[NCS_EVIDENCE] <= 0.0)
        novelty[NCS_EVIDENCE] = novelty[NCS_SPAN] = novelty[NCS_AGREEING] = 0.0;
}
