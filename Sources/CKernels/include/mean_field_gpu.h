#ifndef MAL_MEAN_FIELD_GPU_H
#define MAL_MEAN_FIELD_GPU_H

// The mean field of whole batches as one CUDA kernel: its source, and the same code run on the CPU.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// CUDA C++ of `extern "C" __global__ void mean_field(image, probabilities, mask, affinity, result, scale, low, high,
/// channels, count)`; to be compiled with -DHEIGHT=, -DWIDTH=, -DKERNEL=, -DBLOCKS=, -DTHREADS= and --fmad=false.
///
/// - image: batch × channels × height × width. probabilities, mask (null is 1), result: batch × height × width.
///   affinity: batch × KERNEL² × height × width of scratch. scale: 2ζ². count: updates.
/// - BLOCKS blocks a sample, a cluster if more than one, each with at least KERNEL / 2 rows; 8 · (ROWS + 2 MARGIN) ·
///   (WIDTH + 2 MARGIN) bytes of dynamic shared memory.
const char *cmf_gpu_source(void);

/// One sample of what the kernel does, on the CPU, for tests: slow. Returns 0 when there is no memory for it.
int32_t cmf_gpu_emulate(const float *image, int32_t channels, const float *probabilities,
                        const float *_Nullable mask, int32_t height, int32_t width,
                        int32_t kernel, int32_t blocks, int32_t threads, float scale, float low,
                        float high, int32_t count, float *result);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
