/* Counting points in cells, and comparing the counts; see histogram.py. */
#ifndef NCS_HISTOGRAM_H
#define NCS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define NCS_DEPTH 6
#define NCS_BOXES (1 << NCS_DEPTH)
#define NCS_CELLS (2 * NCS_BOXES)
#define NCS_COARSE (NCS_CELLS / 4)
#define NCS_PAIRS 4

/* A k-d tree: node 1 is the root, 2 i and 2 i + 1 lie below node i. */
typedef struct {
    ptrdiff_t dimension;
    const double *shift, *scale; /* (d) */
    const int64_t *feature;      /* (boxes), below d */
    const double *cut;           /* (boxes) */
    const float *middle;         /* (d, boxes) */
    const double *reach;         /* (boxes), squared */
    double farthest;             /* standardised; beyond it all is equally far */
} ncs_histogram;

/* Find the cell of each point.
 *
 * IN  points     double (n, d), raw
 * IN  scratch    double (d)
 * OUT cell       int64_t (n)
 */
void ncs_cells(const ncs_histogram *in, const double *points, ptrdiff_t n,
               double *scratch, int64_t *cell);

/* Compare blocks of points by chi-square, over the cells and over the coarse cells.
 *
 * The last block and the last three with the past, the last one with the one before it
 * and with that one's.
 *
 * IN  past       double (cells + coarse)
 * IN  recent     int32_t (3, cells + coarse), the youngest last
 * OUT told       double (3, 2, 4): over its degrees of freedom; these; and those of
 *                the distribution with its variance
 */
void ncs_chi_squares(const double *past, const int32_t *recent, double *told);

#endif
