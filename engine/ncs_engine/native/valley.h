/* The valley test: whether two crowds of micro-clusters have a valley between them. */
#ifndef NCS_VALLEY_H
#define NCS_VALLEY_H

#include <stddef.h>

typedef struct {
    int m, d, full, s;      /* full: covariances; else variances; s numbers of them */
    const double *x;        /* (m, d) centres */
    const double *v;        /* (m, d) variances */
    const double *w;        /* (m) weights */
    const double *blur;     /* (m) variance added where points coincide */
    const int *next;        /* chain of members */
    const int *first, *size;/* (nodes) */
    const double *mean;     /* (nodes, d) */
    const double *scatter;  /* (nodes, s) */
    const double *mass;     /* (nodes) */
    double *scratch;        /* ncs_valley_scratch numbers */
} ncs_nodes;

size_t ncs_valley_scratch(int m, int d, int s);
/* Return the valley between nodes a and b: 1 for none, 0 for an empty one. */
double ncs_valley(const ncs_nodes *nodes, int a, int b);

#endif
