#ifndef MAL_TRANSFORMER_H
#define MAL_TRANSFORMER_H

// A transformer's block in float32 in three passes, for inference: norms, biases, GELU, layer scales and residual
// sums are one with the products before and after them, and rows stay in the processor's cache between them. No
// row's result depends on how rows are shared among threads.
//
// Widths are multiples of 16. A call does the places from ..< end of what is given to all threads; each has
// `scratch` of its own.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// A linear layer; `panels` are its weights as `ctf_pack` lays them.
typedef struct {
    const float *panels;
    const float *_Nullable bias;
    int64_t inputs, outputs;
} ctf_linear;

/// A layer norm.
typedef struct {
    const float *weight, *bias;
    double epsilon;
} ctf_norm;

/// (batch, tokens, 3 × heads × width): q of all heads, k, v.
typedef struct {
    const float *values;
    int64_t batch, tokens, heads, width;
} ctf_qkv;

/// What follows attention: x += scale · proj(mixed); x += scale2 · fc2(gelu(fc1(norm(x)))).
typedef struct {
    ctf_linear proj;
    const float *_Nullable scale;
    ctf_norm norm;
    ctf_linear fc1, fc2;
    const float *_Nullable scale2;
} ctf_rest;

/// Weights (outputs, inputs) as panels of 16 outputs: (outputs / 16, inputs, 16). Places are panels.
void ctf_pack(const float *weight, int64_t inputs, int64_t from, int64_t end, float *panels);

/// linear(norm(x)). Places are rows; scratch has `ctf_row_scratch(inputs, 0)` numbers.
void ctf_project(ctf_norm norm, ctf_linear linear, const float *x, int64_t from, int64_t end,
                 float *y, float *scratch);

/// How many places `ctf_attend` has.
int64_t ctf_attend_places(ctf_qkv qkv);

/// What the heads read, side by side: softmax(q·kᵀ/√width)·v, (batch, tokens, heads × width). Scratch has
/// `ctf_attend_scratch(qkv)` numbers.
void ctf_attend(ctf_qkv qkv, int64_t from, int64_t end, float *mixed, float *scratch);
int64_t ctf_attend_scratch(ctf_qkv qkv);

/// Places are rows; scratch has `ctf_row_scratch(width, hidden)` numbers.
void ctf_finish(ctf_rest rest, const float *mixed, int64_t from, int64_t end, float *x,
                float *scratch);
int64_t ctf_row_scratch(int64_t width, int64_t hidden);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
