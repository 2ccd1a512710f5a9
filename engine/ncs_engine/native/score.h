/* The outlier score; its twin is outliers.py, where it is explained. */
#ifndef NCS_SCORE_H
#define NCS_SCORE_H

/* Return the score of a point in [0, 1].
 *
 * IN gap     distance to the nearest micro-cluster of a cluster; infinite without any
 * IN radius  vigilance radius, in the same unit
 * IN usual   upper end of the usual gaps
 */
double ncs_outlier_score(double gap, double radius, double usual);

#endif
