// libtorch's MKL runs its AVX-512 kernels on Intel processors alone; others get AVX2 or less. It asks this
// function, which libtorch exports, so that the definition of the program that loads it comes first. Products
// of float32 are twice as fast for it on an AMD processor with AVX-512 (docs/performance.md). Others keep
// MKL's own answer. MKL_ENABLE_INSTRUCTIONS=AVX2 takes it back.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

__attribute__((used, visibility("default"))) int mkl_serv_intel_cpu_true(void) {
#if defined(__x86_64__)
    // What MKL's AVX-512 kernels are compiled for.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd")) {
        return 1;
    }
#endif
    void *found = dlsym(RTLD_NEXT, "mkl_serv_intel_cpu_true");
    if (!found) return 0;
    int (*ask)(void);
    memcpy(&ask, &found, sizeof ask);
    return ask();
}
