#include "kernels.h"

int ci_best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("bmi2")) {
        return CI_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return CI_AVX2;
#endif
    return CI_GENERIC;
}

enum { PRECISION = 22 };
static const int32_t HALF = 1 << (PRECISION - 1);

CI_INLINE uint8_t clipped(int32_t sum) {
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

// Four taps at a time: sixteen bytes are read for their twelve, and weights beyond the last tap are
// zero. Outputs whose sixteen bytes are not all there are filtered tap by tap.
CI_INLINE void filter_row_body(const ci_filter *filter, const uint8_t *row, size_t readable,
                               uint8_t *output) {
    size_t outputs = filter->outputs;
    for (size_t i = 0; i < outputs; i++) {
        size_t start = (size_t)filter->starts[i], count = (size_t)filter->counts[i];
        const int32_t *weights = filter->weights + i * filter->stride;
        size_t blocks = (count + 3) / 4;
        if ((start + 4 * (blocks - 1)) * 3 + 16 > readable) {
            for (size_t c = 0; c < 3; c++) {
                int32_t sum = HALF;
                for (size_t k = 0; k < count; k++) sum += weights[k] * row[(start + k) * 3 + c];
                output[3 * i + c] = clipped(sum);
            }
            continue;
        }
        ci_i32x16 sums = {0};
        for (size_t block = 0; block < blocks; block++) {
            ci_u8x16 bytes;
            ci_i32x4 four;
            memcpy(&bytes, row + (start + 4 * block) * 3, sizeof bytes);
            memcpy(&four, weights + 4 * block, sizeof four);
            ci_u8x16 pixels = __builtin_shufflevector(bytes, bytes, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8,
                                                      8, 9, 10, 11, 11);
            ci_i32x16 spread = __builtin_shufflevector(four, four, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                       2, 3, 3, 3, 3);
            sums += __builtin_convertvector(pixels, ci_i32x16) * spread;
        }
        ci_i32x8 eight = __builtin_shufflevector(sums, sums, 0, 1, 2, 3, 4, 5, 6, 7) +
                         __builtin_shufflevector(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15);
        ci_i32x4 sum = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                       __builtin_shufflevector(eight, eight, 4, 5, 6, 7) + HALF;
        sum >>= PRECISION;
        sum = __builtin_elementwise_max(sum, (ci_i32x4){0, 0, 0, 0});
        sum = __builtin_elementwise_min(sum, (ci_i32x4){255, 255, 255, 255});
        ci_u8x4 rgb = __builtin_convertvector(sum, ci_u8x4);
        memcpy(output + 3 * i, &rgb, i + 1 < outputs ? 4 : 3);
    }
}
CI_COMPILE(filter_row, (const ci_filter *f, const uint8_t *row, size_t readable, uint8_t *output),
           (f, row, readable, output))

void ci_filter_row(int level, const ci_filter *filter, const uint8_t *row, size_t readable,
                   uint8_t *output) {
    CI_CALL(level, filter_row, (filter, row, readable, output));
}

CI_INLINE void mix_sixteen(const uint8_t *const *rows, const int32_t *weights, size_t taps,
                           size_t column, uint8_t *output) {
    ci_i32x16 sums = (ci_i32x16){0} + HALF;
    for (size_t tap = 0; tap < taps; tap++) {
        ci_u8x16 pixels;
        memcpy(&pixels, rows[tap] + column, sizeof pixels);
        sums += __builtin_convertvector(pixels, ci_i32x16) * weights[tap];
    }
    sums >>= PRECISION;
    sums = __builtin_elementwise_max(sums, (ci_i32x16){0});
    sums = __builtin_elementwise_min(sums, (ci_i32x16){0} + 255);
    ci_u8x16 bytes = __builtin_convertvector(sums, ci_u8x16);
    memcpy(output + column, &bytes, sizeof bytes);
}

CI_INLINE void mix_rows_body(const uint8_t *const *rows, const int32_t *weights, size_t taps,
                             size_t count, uint8_t *output) {
    size_t column = 0;
    if (taps == 4) {  // every enlargement: known here, the loop over the taps is unrolled
        for (; column + 16 <= count; column += 16) mix_sixteen(rows, weights, 4, column, output);
    } else {
        for (; column + 16 <= count; column += 16) mix_sixteen(rows, weights, taps, column, output);
    }
    for (; column < count; column++) {
        int32_t sum = HALF;
        for (size_t tap = 0; tap < taps; tap++) sum += weights[tap] * rows[tap][column];
        output[column] = clipped(sum);
    }
}
CI_COMPILE(mix_rows,
           (const uint8_t *const *rows, const int32_t *weights, size_t taps, size_t count,
            uint8_t *output),
           (rows, weights, taps, count, output))

void ci_mix_rows(int level, const uint8_t *const *rows, const int32_t *weights, size_t taps,
                 size_t count, uint8_t *output) {
    CI_CALL(level, mix_rows, (rows, weights, taps, count, output));
}
