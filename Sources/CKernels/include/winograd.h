#ifndef MAL_WINOGRAD_H
#define MAL_WINOGRAD_H

// The transforms of a 3 × 3 convolution with a border of one zero by tiles of 4 × 4 outputs, Winograd's
// F(4 × 4, 3 × 3) (Lavin & Gray 2016): 36 matrix products instead of one with 4 times the multiplications.
//
// Maps are (batch, height, width, channels) float32 without gaps; channels is a multiple of 16. Tiles are
// numbered image by image, row by row; a map has ceil(height / 4) · ceil(width / 4) of them an image.
// Matrices are 36 × count × channels, for the tiles first ..< first + count; a call fills those of the
// tiles from ..< end.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

typedef struct {
    int32_t height, width, channels;
    int64_t first, count;
} cwg_map;

/// A map to matrices: Bᵀ d B of the 6 × 6 neighbourhoods of the tiles.
void cwg_input(cwg_map map, const float *values, int64_t from, int64_t end, float *matrices);

/// Matrices to a map: Aᵀ m A, plus bias, and what is below 0 to 0.
void cwg_output(cwg_map map, const float *matrices, const float *_Nullable bias, int32_t isReLU,
                int64_t from, int64_t end, float *values);

/// The gradient of a map to matrices: A g Aᵀ, what ``cwg_output`` is transposed.
void cwg_output_gradient(cwg_map map, const float *values, int64_t from, int64_t end,
                         float *matrices);

/// Weights 9 × plane, the taps of every pair of channels, to 36 × plane: G w Gᵀ. With isTurned of the kernels
/// turned by 180°, which is the convolution that the gradient of the input is. A call does the places
/// from ..< end of each plane, both multiples of 16.
void cwg_weights(const float *taps, int64_t plane, int32_t isTurned, int64_t from, int64_t end,
                 float *matrices);

/// What ``cwg_weights`` is transposed: 36 × plane to 9 × plane.
void cwg_weights_gradient(const float *matrices, int64_t plane, int64_t from, int64_t end,
                          float *taps);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
