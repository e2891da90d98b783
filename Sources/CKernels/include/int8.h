#ifndef MAL_INT8_H
#define MAL_INT8_H

// What goes before and after a product of int8 numbers: rows of float32 to bytes, and sums back to float32.
//
// Each row has a range of its own: x ≈ low + step · byte, byte 0 to 127. More than 127 would overflow the 16 bits
// in which AVX2 adds pairs of products. `ranges` holds step and low of each row. A row with a number that is not
// finite has a step that is none, so that what is made of it is none.
//
// A product's sums are Σ weight · byte; Σ weight · x is step · sum + low · Σ weight, and the last factor is
// `totals`, a number a column. Widths are multiples of 16. A call does the rows from ..< end.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// Rows of weights to −127 … 127: weight ≈ step · result. `totals` are the sums of what the results stand for.
void ci8_weights(const float *weights, int64_t width, int64_t from, int64_t end, int8_t *results,
                 float *steps, float *totals);

/// Rows to bytes. With `weight` and `bias` they are normalised first (layer norm).
void ci8_rows(const float *values, const float *_Nullable weight, const float *_Nullable bias,
              double epsilon, int64_t width, int64_t from, int64_t end, uint8_t *bytes,
              float *ranges);

typedef struct {
    const float *ranges;  // of the rows that went into the product
    const float *totals;
    const float *_Nullable bias;
    int64_t width;
} ci8_product;

/// Sums to numbers, in place.
void ci8_finish(ci8_product product, int64_t from, int64_t end, float *sums);

/// The same, then GELU (to 1e-5, and 3e-5 of large numbers), then to bytes; overwrites the sums.
void ci8_gelu_rows(ci8_product product, int64_t from, int64_t end, float *sums, uint8_t *bytes,
                   float *ranges);

/// Adds the numbers, times a factor a column, to `values`.
void ci8_add(ci8_product product, const float *_Nullable factors, int64_t from, int64_t end,
             const float *sums, float *values);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
