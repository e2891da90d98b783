#include "kernels.h"

CI_INLINE void interpolate_row(const ci_taps *taps, const float *restrict source,
                               float *restrict row) {
    for (size_t x = 0; x < taps->count; x++) {
        float weight = taps->weight[x];
        row[x] = (1 - weight) * source[taps->low[x]] + weight * source[taps->high[x]];
    }
}

// A source row that the output row before has used is interpolated already.
CI_INLINE void paste_body(const float *crop, size_t side, const ci_taps *columns, const ci_taps *rows,
                          float threshold, float *scratch, uint8_t *restrict mask) {
    float *top = scratch, *bottom = scratch + columns->count;
    int32_t top_row = -1, bottom_row = -1;
    for (size_t y = 0; y < rows->count; y++) {
        int32_t low = rows->low[y], high = rows->high[y];
        if (low != top_row && low == bottom_row) {
            float *swapped = top;
            top = bottom;
            bottom = swapped;
            bottom_row = top_row;
            top_row = low;
        }
        if (low != top_row) interpolate_row(columns, crop + (size_t)low * side, top);
        if (high != bottom_row) interpolate_row(columns, crop + (size_t)high * side, bottom);
        top_row = low;
        bottom_row = high;
        float weight = rows->weight[y], rest = 1 - weight;
        uint8_t *restrict target = mask + y * columns->count;
        for (size_t x = 0; x < columns->count; x++) {
            target[x] = rest * top[x] + weight * bottom[x] > threshold;
        }
    }
}
CI_COMPILE(paste,
           (const float *crop, size_t side, const ci_taps *columns, const ci_taps *rows,
            float threshold, float *scratch, uint8_t *mask),
           (crop, side, columns, rows, threshold, scratch, mask))

void ci_paste(int level, const float *crop, size_t side, const ci_taps *columns, const ci_taps *rows,
              float threshold, float *scratch, uint8_t *mask) {
    CI_CALL(level, paste, (crop, side, columns, rows, threshold, scratch, mask));
}
