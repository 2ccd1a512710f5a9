/* Sets of small whole numbers. */
#ifndef NCS_BITS_H
#define NCS_BITS_H

#include <stdint.h>

static inline int ncs_words(int count) { return (count + 63) / 64; }

static inline void ncs_set_bit(uint64_t *bits, int i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Return the lowest number of a word that is not 0. */
static inline int ncs_lowest(uint64_t word)
{
#if defined(__GNUC__)
    return __builtin_ctzll(word);
#else
    int i = 0;
    while (!(word >> i & 1))
        i++;
    return i;
#endif
}

#endif
