/* The smaller and the larger of two numbers, as Python's min and max choose. */
#ifndef NCS_NUMBERS_H
#define NCS_NUMBERS_H

#define NCS_TWO_OVER_PI (2 / 3.141592653589793)

static inline double ncs_smaller(double a, double b) { return b < a ? b : a; }

static inline double ncs_larger(double a, double b) { return b > a ? b : a; }

#endif
