#ifndef MAL_VECTORS_H
#define MAL_VECTORS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

// Vectors pass between functions that are always inlined, so that no call depends on how they are passed.
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16
typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
// The same at any address of a float.
typedef float vfu __attribute__((vector_size(4 * LANES), aligned(4)));
#define INLINE static inline __attribute__((always_inline))
#define LOAD(p) (*(const vfu *)(p))
#define STORE(p, v) (*(vfu *)(p) = (v))
INLINE vf choose(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }
INLINE vf all(float x) { return (vf){0} + x; }
INLINE float sumOf(vf x) {
    float sum = 0;
    for (int k = 0; k < LANES; k++) sum += x[k];
    return sum;
}

// A row's mean, and what its deviations are multiplied by.
INLINE void statistics(const float *row, int64_t width, double epsilon, float *mean,
                       float *factor) {
    vf sum = all(0);
    for (int64_t k = 0; k < width; k += LANES) sum += LOAD(row + k);
    *mean = sumOf(sum) / (float)width;
    vf squares = all(0);
    for (int64_t k = 0; k < width; k += LANES) {
        const vf d = LOAD(row + k) - *mean;
        squares += d * d;
    }
    *factor = 1.0F / sqrtf(sumOf(squares) / (float)width + (float)epsilon);
}

// A function's one body is compiled for the vectors that processors have: FOR_EACH_PROCESSOR(MAKE) calls
// MAKE(suffix, attributes) for each, PICK(name) is the one for this processor.
#if defined(__x86_64__)
#define FOR_EACH_PROCESSOR(make) \
    make(Wide, __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma"), \
                              min_vector_width(512)))) \
    make(Middle, __attribute__((target("avx2,fma")))) \
    make(Plain, )
#define PICK(name) \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") \
             && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") \
         ? name##Wide \
         : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? name##Middle \
                                                                           : name##Plain)
#else
#define FOR_EACH_PROCESSOR(make) make(Plain, )
#define PICK(name) name##Plain
#endif

#endif
