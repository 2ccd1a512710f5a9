/* The outlier score and what it remembers; twins: outliers.py and novelty.py, where it
 * is explained. */
#ifndef NCS_SCORE_H
#define NCS_SCORE_H

#define NCS_LIMIT_RADII 3.2
#define NCS_YOUNG 256
#define NCS_STRAY_MEMORY 512

/* Places in Background.values. */
enum {
    NCS_RECENT, NCS_MEAN, NCS_VARIANCE, NCS_COVARIANCE, NCS_LAST, NCS_POINTS, NCS_TOTAL,
    NCS_SQUARES, NCS_RUN_WEIGHT, NCS_BACKGROUND_SIZE
};

/* Places in Novelty.values. */
enum {
    NCS_EVIDENCE, NCS_RATE, NCS_GAIN, NCS_LOSS, NCS_SPAN, NCS_AGREEING, NCS_NOVELTY_SIZE
};

/* Return the score of a point by its gap, in [0, 1].
 *
 * IN gap     distance to the nearest micro-cluster of a cluster; infinite without any
 * IN radius  vigilance radius, in the same unit
 * IN usual   upper end of the usual gaps
 */
double ncs_outlier_score(double gap, double radius, double usual);

/* Return the score raised by the temporal layer.
 *
 * IN background  double (NCS_BACKGROUND_SIZE)
 * IN score       by the gap
 * IN norm        mean square of the standardised coordinates
 */
double ncs_lift(const double *background, double score, double norm);

/* Take a point; INOUT background, otherwise as `ncs_lift`. */
void ncs_add_strangeness(double *background, double score, double norm);

/* Take a point that agrees with other strange ones or does not.
 *
 * INOUT novelty  double (NCS_NOVELTY_SIZE)
 */
void ncs_add_agreement(double *novelty, int agrees);

#endif
