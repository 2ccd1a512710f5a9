/* Putting together pieces that touch and have no valley between them. */
#ifndef NCS_QUILT_H
#define NCS_QUILT_H

#include "room.h"

typedef struct {
    int k;           /* pieces */
    double *sum;     /* (k, k), its lower triangle: of valleys seen */
    double *links;   /* the same: of how many; 0 where pieces do not touch */
    int *group;      /* (k) the piece that each has gone into */
    int *partner;    /* (k) the best earlier one to put it together with; -1 for none */
    double *score;   /* (k) what is seen between them */
    double *prior;   /* (k) see set_priors */
} ncs_quilt;

/* Take the arrays for up to m pieces, but for sum and links. */
void ncs_quilt_lay_out(ncs_quilt *quilt, int m, ncs_room *room);

/* Return the place of a pair in a lower triangle, whatever the order of the two. */
static inline long ncs_triangle(int a, int b)
{
    return a > b ? (long)a * (a - 1) / 2 + b : (long)b * (b - 1) / 2 + a;
}

/* Put pieces together by average linkage, down to a valley of `least`.
 *
 * INOUT quilt  k, sum and links are set; the latter two are used up
 */
void ncs_quilt_sew(ncs_quilt *quilt, double least);

/* Return the piece that a piece has gone into. */
static inline int ncs_quilt_group(const ncs_quilt *quilt, int piece)
{
    while (quilt->group[piece] != piece)
        piece = quilt->group[piece];
    return piece;
}

#endif
