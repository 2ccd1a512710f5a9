/* Quickselect (Hoare 1961), with partitions that have no branch to guess: on some
 * hundred numbers in no order wrong guesses are what takes the time. */
#include "select.h"
#include "clones.h"

/* Put what is below the limit first, or at it too; return how far that goes. */
NCS_INLINE ptrdiff_t gather(double *values, ptrdiff_t from, ptrdiff_t until, double limit,
                            int at_it_too)
{
    for (ptrdiff_t i = from; i < until; i++) {
        double v = values[i];
        values[i] = values[from];
        values[from] = v;
        from += at_it_too ? v <= limit : v < limit;
    }
    return from;
}

static double middle_of(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

double ncs_select(double *values, ptrdiff_t count, ptrdiff_t k)
{
    ptrdiff_t low = 0, high = count;
    while (high - low > 1) {
        double first = values[low], last = values[high - 1];
        double pivot = middle_of(first, values[low + (high - low) / 2], last);
        ptrdiff_t from = gather(values, low, high, pivot, 0);
        if (k < from) {
            high = from;
            continue;
        }
        low = gather(values, from, high, pivot, 1);
        if (k < low || low == from) /* the pivot is there, unless it is no number */
            return pivot;
    }
    return values[k];
}

double ncs_median(double *values, ptrdiff_t count)
{
    ptrdiff_t middle = count / 2;
    double upper = ncs_select(values, count, middle);
    if (count % 2)
        return upper;
    double lower = values[0];
    for (ptrdiff_t i = 1; i < middle; i++)
        lower = values[i] > lower ? values[i] : lower;
    return (lower + upper) / 2.0;
}

double ncs_upper_quartile(double *values, ptrdiff_t count)
{
    double place = 0.75 * (double)(count - 1);
    ptrdiff_t k = (ptrdiff_t)place;
    double low = ncs_select(values, count, k), high = low;
    for (ptrdiff_t i = k + 1; i < count; i++)
        high = i == k + 1 || values[i] < high ? values[i] : high;
    return low + (high - low) * (place - (double)k);
}
