/* Several builds of one function, the widest that the processor has chosen at load.
 *
 * Only gcc, and clang from 18 on, for x86-64 with glibc can do that (before, clang gives
 * the build that was chosen another name than callers in other files look for);
 * everywhere else there is the baseline alone: SSE2 on x86-64, NEON on 64-bit Arm. The
 * results are the same bit for bit: vectors run across micro-clusters, never across the
 * terms of a sum, and the build forbids to fuse multiplications and additions
 * (-ffp-contract=off).
 */
#ifndef NCS_CLONES_H
#define NCS_CLONES_H

#include <stdlib.h> /* defines __GLIBC__ */

/* NCS_BASELINE leaves them out, so that a test can compare. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && \
    (!defined(__clang__) || __clang_major__ >= 18) && !defined(NCS_BASELINE)
#define NCS_HAS_CLONES 1
#define NCS_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define NCS_HAS_CLONES 0
#define NCS_CLONES
#endif

/* What a clone calls has to be built into it, or it would run at the baseline. */
#if defined(__GNUC__)
#define NCS_INLINE static inline __attribute__((always_inline))
#else
#define NCS_INLINE static inline
#endif

/* Accumulators side by side, for what would wait for itself in a single one. So many,
 * because gcc makes no vectors of a loop of 16 or less, which it unrolls first. */
#define NCS_ABREAST 32

/* Return a row length of which nothing is left over when it is taken so many at a time.
 * What is left over costs more than its share. */
static inline int ncs_padded(int count)
{
    return (count + NCS_ABREAST - 1) / NCS_ABREAST * NCS_ABREAST;
}

/* Return a row length for matrices of which columns are written as well: rows of a power
 * of two would all want the same few lines of the cache. */
static inline int ncs_pitch(ptrdiff_t count)
{
    return ncs_padded((int)count) + NCS_ABREAST / 4;
}

/* Return the name of the vectors in use. */
static inline const char *ncs_vectors(void)
{
#if NCS_HAS_CLONES
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return "avx512f";
    if (__builtin_cpu_supports("avx2"))
        return "avx2";
    return "sse2";
#elif defined(__x86_64__) || defined(_M_X64)
    return "sse2";
#elif defined(__aarch64__) || defined(_M_ARM64)
    return "neon";
#else
    return "none";
#endif
}

#endif
