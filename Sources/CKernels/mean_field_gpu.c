#include "mean_field_gpu.h"

#include <math.h>
#include <stdlib.h>

static const char source[] =
    "#define MARGIN (KERNEL / 2)\n"
    "#define ROWS ((HEIGHT + BLOCKS - 1) / BLOCKS)\n"
    "#define STRIDE (WIDTH + 2 * MARGIN)\n"
    "#define PLANE ((ROWS + 2 * MARGIN) * STRIDE)\n"
    "#define PIXELS ((ROWS * WIDTH + THREADS - 1) / THREADS)\n"
    "#define FUNCTION static __device__ __forceinline__\n"
    "#define UNROLL _Pragma(\"unroll\")\n"
    "#if KERNEL <= 5\n"
    "#define UNROLL_WINDOW _Pragma(\"unroll\")\n"
    "#else\n"
    "#define UNROLL_WINDOW\n"
    "#endif\n"
    "#if BLOCKS > 1\n"
    // Distributed shared memory: where another block of the cluster has what lies at `tile` here.
    "static __device__ __forceinline__ float *peer(float *tile, int block) {\n"
    "    float *there;\n"
    "    asm volatile(\"mapa.u64 %0, %1, %2;\" : \"=l\"(there) : \"l\"(tile), \"r\"(block));\n"
    "    return there;\n"
    "}\n"
    "#define PEER(tile, from, to) peer(tile, to)\n"
    "#define CLUSTER __cluster_dims__(BLOCKS, 1, 1)\n"
    "#define BARRIER() \\\n"
    "    asm volatile(\"barrier.cluster.arrive.release.aligned;\\n\" \\\n"
    "                 \"barrier.cluster.wait.acquire.aligned;\" ::: \"memory\")\n"
    "#else\n"
    "#define PEER(tile, from, to) (tile)\n"
    "#define CLUSTER\n"
    "#define BARRIER() __syncthreads()\n"
    "#endif\n"
#define GPU_TEXT(...) #__VA_ARGS__
#include "mean_field_gpu_text.h"
#undef GPU_TEXT
    "\n"
    "extern \"C\" __global__ void __launch_bounds__(THREADS) CLUSTER mean_field(\n"
    "    const float *image, const float *probabilities, const float *mask, float *affinity,\n"
    "    float *result, float scale, float low, float high, int channels, int count) {\n"
    "    extern __shared__ float tile[];\n"
    "    const int block = blockIdx.x % BLOCKS, thread = threadIdx.x;\n"
    "    const size_t sample = blockIdx.x / BLOCKS, area = HEIGHT * WIDTH;\n"
    "    const gpu_field f = {\n"
    "        image + sample * channels * area, probabilities + sample * area,\n"
    "        mask ? mask + sample * area : mask, affinity + sample * KERNEL * KERNEL * area,\n"
    "        result + sample * area, scale, low, high, channels};\n"
    "    float q[PIXELS];\n"
    "    for (int k = thread; k < 2 * PLANE; k += THREADS) tile[k] = 0;\n"
    "    prepare(f, block, thread, q);\n"
    "    BARRIER();\n"
    "    spread(tile, block, thread, q);\n"
    "    BARRIER();\n"
    "    for (int n = 0; n < count; n++) {\n"
    "        update(f, tile, block, thread, q);\n"
    "        BARRIER();\n"
    "        spread(tile, block, thread, q);\n"
    "        BARRIER();\n"
    "    }\n"
    "    finish(f, block, thread, q);\n"
    "}\n";

const char *cmf_gpu_source(void) { return source; }

// The same on the CPU: the sizes are variables, and a step of all threads is a loop.
#pragma STDC FP_CONTRACT OFF

typedef struct {
    int height, width, kernel, blocks, threads;
} gpu_sizes;

static _Thread_local gpu_sizes sizes;

#define HEIGHT (sizes.height)
#define WIDTH (sizes.width)
#define KERNEL (sizes.kernel)
#define BLOCKS (sizes.blocks)
#define THREADS (sizes.threads)
#define MARGIN (KERNEL / 2)
#define ROWS ((HEIGHT + BLOCKS - 1) / BLOCKS)
#define STRIDE (WIDTH + 2 * MARGIN)
#define PLANE ((ROWS + 2 * MARGIN) * STRIDE)
#define PIXELS ((ROWS * WIDTH + THREADS - 1) / THREADS)
#define FUNCTION static
#define UNROLL
#define UNROLL_WINDOW
#define PEER(tile, from, to) ((tile) + ((to) - (from)) * 2 * PLANE)
#define GPU_TEXT(...) __VA_ARGS__
#include "mean_field_gpu_text.h"

#define FOR_ALL_THREADS(step) \
    for (int block = 0; block < BLOCKS; block++) { \
        float *tile = tiles + (size_t)block * 2 * PLANE; \
        for (int thread = 0; thread < THREADS; thread++) { \
            float *q = registers + ((size_t)block * THREADS + thread) * PIXELS; \
            (void)tile; \
            step; \
        } \
    }

int32_t cmf_gpu_emulate(const float *image, int32_t channels, const float *probabilities,
                        const float *mask, int32_t height, int32_t width, int32_t kernel,
                        int32_t blocks, int32_t threads, float scale, float low, float high,
                        int32_t count, float *result) {
    sizes = (gpu_sizes){height, width, kernel, blocks, threads};
    float *tiles = calloc((size_t)BLOCKS * 2 * PLANE, sizeof(float));
    float *registers = calloc((size_t)BLOCKS * THREADS * PIXELS, sizeof(float));
    float *affinity = calloc((size_t)KERNEL * KERNEL * HEIGHT * WIDTH, sizeof(float));
    const int32_t isThere = tiles && registers && affinity;
    if (isThere) {
        const gpu_field f = {image, probabilities, mask, affinity, result, scale, low, high, channels};
        FOR_ALL_THREADS(prepare(f, block, thread, q))
        FOR_ALL_THREADS(spread(tile, block, thread, q))
        for (int32_t n = 0; n < count; n++) {
            FOR_ALL_THREADS(update(f, tile, block, thread, q))
            FOR_ALL_THREADS(spread(tile, block, thread, q))
        }
        FOR_ALL_THREADS(finish(f, block, thread, q))
    }
    free(tiles);
    free(registers);
    free(affinity);
    return isThere;
}
