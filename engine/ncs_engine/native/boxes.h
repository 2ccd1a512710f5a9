/* Boxes that hold equally many points; see boxes.py. */
#ifndef NCS_BOXES_H
#define NCS_BOXES_H

#include "histogram.h"

/* What the cutting makes, and what it works with. */
typedef struct {
    ptrdiff_t dimension;
    int64_t *feature; /* OUT (boxes) */
    double *cut;      /* OUT (boxes) */
    float *middle;    /* OUT (d, boxes) */
    double *reach;    /* OUT (boxes) */
    const double *z;  /* IN (n, d), the points, standardised */
    double *values;   /* scratch (n) */
    double *sums;     /* scratch (2 d) */
    ptrdiff_t *who;   /* scratch (2 n) */
} ncs_boxes;

/* Cut the points, at medians, along the features with the widest spread. */
void ncs_cut_boxes(const ncs_boxes *boxes, ptrdiff_t n);

#endif
