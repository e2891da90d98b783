#pragma once
// Kernels are written once, as functions that are always inlined, and compiled three times: for any
// processor, with AVX2 and with AVX-512. All give the same bytes: integers cannot differ, and floats
// do not because no multiplication is contracted with an addition (FP_CONTRACT below).

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cimaging.h"

#pragma STDC FP_CONTRACT OFF

#define CI_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define CI_AVX2_CODE __attribute__((target("avx2,bmi,bmi2")))
#define CI_AVX512_CODE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2")))
#define CI_COMPILE(name, parameters, arguments)                                        \
    static void name##_generic parameters { name##_body arguments; }                   \
    CI_AVX2_CODE static void name##_avx2 parameters { name##_body arguments; }         \
    CI_AVX512_CODE static void name##_avx512 parameters { name##_body arguments; }
#define CI_CALL(level, name, arguments)                    \
    do {                                                   \
        if ((level) >= CI_AVX512) name##_avx512 arguments; \
        else if ((level) >= CI_AVX2) name##_avx2 arguments; \
        else name##_generic arguments;                     \
    } while (0)
#else
#define CI_COMPILE(name, parameters, arguments) \
    static void name##_generic parameters { name##_body arguments; }
#define CI_CALL(level, name, arguments) \
    do {                                \
        (void)(level);                  \
        name##_generic arguments;       \
    } while (0)
#endif

typedef uint8_t ci_u8x4 __attribute__((vector_size(4)));
typedef uint8_t ci_u8x16 __attribute__((vector_size(16)));
typedef int32_t ci_i32x4 __attribute__((vector_size(16)));
typedef int32_t ci_i32x8 __attribute__((vector_size(32)));
typedef int32_t ci_i32x16 __attribute__((vector_size(64)));
