#include "transformer.h"

#include "vectors.h"

#include <float.h>
#include <math.h>

enum {
    // Rows that stay in the second-level cache from one product to the next.
    BLOCK = 96,
    // Queries of one head that are one place of ctf_attend.
    QUERIES = 48,
    // Inputs of a panel, which stay in the first-level cache while the rows of a block are multiplied.
    DEPTH = 384
};

// 2ˣ for x ≤ 0, to 2e-7 of it (a polynomial fitted for the least relative error); 2⁻¹²⁶ for anything smaller.
INLINE vf powerOfTwo(vf x) {
    x = choose(x < -126.0F, all(-126), x);
    const float round = 12582912.0F;  // what is added to it loses all bits below one
    const vf shifted = x + round;
    const vf r = x - (shifted - round);
    vf y = all(1.3276472e-3F);
    y = y * r + 9.6755419e-3F;
    y = y * r + 5.5507131e-2F;
    y = y * r + 2.4022120e-1F;
    y = y * r + 6.9314694e-1F;
    y = y * r + 1.0000001F;
    return (vf)((vi)y + ((vi)shifted << 23));  // the whole part goes to the exponent
}

// x · Φ(x), Φ to 1e-7 (Abramowitz & Stegun 1964, 7.1.26).
INLINE vf gelu(vf x) {
    const vf z = (vf)((vi)x & 0x7fffffff) * 0.70710678F;
    const vf t = 1.0F / (1.0F + 0.3275911F * z);
    vf y = all(1.061405429F);
    y = y * t + -1.453152027F;
    y = y * t + 1.421413741F;
    y = y * t + -0.284496736F;
    y = y * t + 0.254829592F;
    const vf tail = 0.5F * y * t * powerOfTwo(z * z * -1.44269504F);
    return x * choose(x < 0.0F, tail, 1.0F - tail);
}

// Products of some rows of a, `stride` numbers apart, and panels of b: sum[row · panels + panel].
INLINE void tile(const int rows, const int panels, const float *a, int64_t stride, const float *b,
                 int64_t panelStride, int64_t depth, vf *sum) {
    vf held[24];  // in registers; `sum` would be written at every turn
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * panels; i++) held[i] = (vf){0};
    for (int64_t k = 0; k < depth; k++) {
        const vf right = LOAD(b + k * LANES);
        const vf right2 = panels > 1 ? LOAD(b + panelStride + k * LANES) : right;
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            held[i * panels] += a[i * stride + k] * right;
            if (panels > 1) held[i * panels + 1] += a[i * stride + k] * right2;
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * panels; i++) sum[i] = held[i];
}

// The same for `count` rows, at most `rows`.
INLINE void someRows(const int rows, const int panels, int64_t count, const float *a, int64_t stride,
                     const float *b, int64_t panelStride, int64_t depth, vf *sum) {
    if (count == rows) {
        tile(rows, panels, a, stride, b, panelStride, depth, sum);
        return;
    }
    for (int64_t i = 0; i < count;) {
        const float *from = a + i * stride;
        if (count - i >= 4) {
            tile(4, panels, from, stride, b, panelStride, depth, sum + i * panels);
            i += 4;
        } else {
            tile(1, panels, from, stride, b, panelStride, depth, sum + i * panels);
            i++;
        }
    }
}

// The same for `wide` panels, which are `panels` or 1.
INLINE void tiles(const int rows, const int panels, int wide, int64_t count, const float *a,
                  int64_t stride, const float *b, int64_t panelStride, int64_t depth, vf *sum) {
    if (wide == panels) {
        someRows(rows, panels, count, a, stride, b, panelStride, depth, sum);
    } else {
        someRows(rows, 1, count, a, stride, b, panelStride, depth, sum);
    }
}

typedef enum { SET, GELU, ADD } result_kind;

// At most BLOCK rows of x times a layer's weights: to y, through GELU to y, or times `factors` added to y.
INLINE void product(const int rows, const int panels, const result_kind kind, const ctf_linear *w,
                    const float *factors, const float *x, int64_t count, float *y) {
    const int64_t panelStride = w->inputs * LANES, allPanels = w->outputs / LANES;
    vf sums[BLOCK * 2];
    for (int64_t p = 0; p < allPanels;) {
        const int wide = p + panels <= allPanels ? panels : 1;
        for (int64_t first = 0; first < w->inputs; first += DEPTH) {
            const int64_t depth = w->inputs - first < DEPTH ? w->inputs - first : DEPTH;
            const float *b = w->panels + p * panelStride + first * LANES;
            for (int64_t r = 0; r < count; r += rows) {
                const int64_t n = count - r < rows ? count - r : rows;
                const float *a = x + r * w->inputs + first;
                vf part[24], *sum = sums + r * wide;
                tiles(rows, panels, wide, n, a, w->inputs, b, panelStride, depth, part);
                for (int64_t i = 0; i < n * wide; i++) {
                    sum[i] = first == 0 ? part[i] : sum[i] + part[i];
                }
            }
        }
        for (int64_t r = 0; r < count; r++) {
            for (int j = 0; j < wide; j++) {
                const int64_t column = (p + j) * LANES;
                float *to = y + r * w->outputs + column;
                vf v = sums[r * wide + j];
                if (w->bias) v += LOAD(w->bias + column);
                if (kind == GELU) v = gelu(v);
                if (kind == ADD && factors) v *= LOAD(factors + column);
                STORE(to, kind == ADD ? LOAD(to) + v : v);
            }
        }
        p += wide;
    }
}

INLINE void normalize(const ctf_norm *norm, const float *x, int64_t count, int64_t width,
                      float *y) {
    for (int64_t r = 0; r < count; r++) {
        float mean, factor;
        statistics(x + r * width, width, norm->epsilon, &mean, &factor);
        for (int64_t k = 0; k < width; k += LANES) {
            const vf v = (LOAD(x + r * width + k) - mean) * factor;
            STORE(y + r * width + k, v * LOAD(norm->weight + k) + LOAD(norm->bias + k));
        }
    }
}

INLINE void projectRows(const int rows, const int panels, const ctf_norm *norm,
                        const ctf_linear *linear, const float *x, int64_t from, int64_t end,
                        float *y, float *scratch) {
    for (int64_t r = from; r < end; r += BLOCK) {
        const int64_t n = end - r < BLOCK ? end - r : BLOCK;
        normalize(norm, x + r * linear->inputs, n, linear->inputs, scratch);
        product(rows, panels, SET, linear, NULL, scratch, n, y + r * linear->outputs);
    }
}

INLINE void finishRows(const int rows, const int panels, const ctf_rest *rest, const float *mixed,
                       int64_t from, int64_t end, float *x, float *scratch) {
    const int64_t width = rest->proj.outputs;
    float *normal = scratch, *hidden = scratch + BLOCK * width;
    for (int64_t r = from; r < end; r += BLOCK) {
        const int64_t n = end - r < BLOCK ? end - r : BLOCK;
        float *to = x + r * width;
        product(rows, panels, ADD, &rest->proj, rest->scale, mixed + r * rest->proj.inputs, n, to);
        normalize(&rest->norm, to, n, width, normal);
        product(rows, panels, GELU, &rest->fc1, NULL, normal, n, hidden);
        product(rows, panels, ADD, &rest->fc2, rest->scale2, hidden, n, to);
    }
}

// Panels of one head's keys, (tokens / 16, width, 16), with zeros at the end, and of its values,
// (width / 16, tokens, 16).
INLINE void packHead(const ctf_qkv *s, const float *head, float *keys, float *values) {
    const int64_t stride = 3 * s->heads * s->width, padded = (s->tokens + LANES - 1) / LANES * LANES;
    const float *k = head + s->heads * s->width, *v = k + s->heads * s->width;
    for (int64_t t = 0; t < padded; t++) {
        float *to = keys + t / LANES * LANES * s->width + t % LANES;
        for (int64_t c = 0; c < s->width; c++) to[c * LANES] = t < s->tokens ? k[t * stride + c] : 0;
    }
    for (int64_t c = 0; c < s->width; c += LANES) {
        for (int64_t t = 0; t < s->tokens; t++) {
            STORE(values + c * s->tokens + t * LANES, LOAD(v + t * stride + c));
        }
    }
}

// 2 to the power of numbers less their largest, times `factor`; gives one over their sum.
INLINE float softened(float *row, int64_t padded, vf most, float factor) {
    float largest = most[0];
    for (int j = 1; j < LANES; j++) largest = most[j] > largest ? most[j] : largest;
    vf total = all(0);
    for (int64_t t = 0; t < padded; t += LANES) {
        const vf e = powerOfTwo(LOAD(row + t) * factor - largest * factor);
        total += e;
        STORE(row + t, e);
    }
    return 1.0F / sumOf(total);
}

// What `n` queries read from a head of `s`.
INLINE void readHead(const int rows, const int panels, const ctf_qkv *s, const float *q, int64_t n,
                     const float *keys, const float *values, float *scores, float *to) {
    const int64_t stride = 3 * s->heads * s->width, all16 = (s->tokens + LANES - 1) / LANES;
    const int64_t padded = all16 * LANES, panel = s->width * LANES;
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vi isThere = lane < (int32_t)(s->tokens - padded + LANES);
    vf most[12], sum[24];
    for (int i = 0; i < rows; i++) most[i] = all(-FLT_MAX);
    for (int64_t p = 0; p < all16;) {
        const int wide = p + panels <= all16 ? panels : 1;
        tiles(rows, panels, wide, n, q, stride, keys + p * panel, panel, s->width, sum);
        for (int64_t i = 0; i < n; i++) {
            for (int j = 0; j < wide; j++) {
                vf v = sum[i * wide + j];
                if (p + j == all16 - 1) v = choose(isThere, v, all(-FLT_MAX));
                most[i] = choose(v > most[i], v, most[i]);
                STORE(scores + i * padded + (p + j) * LANES, v);
            }
        }
        p += wide;
    }
    float inverse[12];
    const float factor = 1.44269504F / sqrtf((float)s->width);
    for (int64_t i = 0; i < n; i++) {
        inverse[i] = softened(scores + i * padded, padded, most[i], factor);
    }
    for (int64_t c = 0; c < s->width;) {
        const int wide = c + panels * LANES <= s->width ? panels : 1;
        tiles(rows, panels, wide, n, scores, padded, values + c * s->tokens, s->tokens * LANES,
              s->tokens, sum);
        for (int64_t i = 0; i < n; i++) {
            for (int j = 0; j < wide; j++) {
                STORE(to + i * s->heads * s->width + c + j * LANES, sum[i * wide + j] * inverse[i]);
            }
        }
        c += wide * LANES;
    }
}

INLINE int64_t placesOfHead(const ctf_qkv *s) { return (s->tokens + QUERIES - 1) / QUERIES; }

INLINE void attendPlaces(const int rows, const int panels, const ctf_qkv *s, int64_t from,
                         int64_t end, float *mixed, float *scratch) {
    const int64_t parts = placesOfHead(s), width = s->heads * s->width;
    float *keys = scratch, *values = keys + (s->tokens + LANES) * s->width;
    float *scores = values + s->tokens * s->width;
    for (int64_t place = from; place < end; place++) {
        const int64_t head = place / parts, first = place % parts * QUERIES;
        const int64_t row = head / s->heads * s->tokens, column = head % s->heads * s->width;
        const float *q = s->values + row * 3 * width + column;
        if (place == from || first == 0) packHead(s, q, keys, values);
        const int64_t last = first + QUERIES < s->tokens ? first + QUERIES : s->tokens;
        for (int64_t r = first; r < last; r += rows) {
            readHead(rows, panels, s, q + r * 3 * width, last - r < rows ? last - r : rows, keys,
                     values, scores, mixed + (row + r) * width + column);
        }
    }
}

// Tiles fill the registers: 6 × 16 of AVX2's sixteen of 8 numbers, 12 × 32 of AVX-512's 32 of 16.
enum {
    ROWSWide = 12,
    PANELSWide = 2,
    ROWSMiddle = 6,
    PANELSMiddle = 1,
    ROWSPlain = 4,
    PANELSPlain = 1
};

#define MAKE(suffix, attributes)                                                                  \
    attributes static void project##suffix(const ctf_norm *norm, const ctf_linear *linear,        \
                                           const float *x, int64_t from, int64_t end, float *y,   \
                                           float *scratch) {                                      \
        projectRows(ROWS##suffix, PANELS##suffix, norm, linear, x, from, end, y, scratch);        \
    }                                                                                             \
    attributes static void attend##suffix(const ctf_qkv *qkv, int64_t from, int64_t end,          \
                                          float *mixed, float *scratch) {                         \
        attendPlaces(ROWS##suffix, PANELS##suffix, qkv, from, end, mixed, scratch);               \
    }                                                                                             \
    attributes static void finish##suffix(const ctf_rest *rest, const float *mixed, int64_t from, \
                                          int64_t end, float *x, float *scratch) {                \
        finishRows(ROWS##suffix, PANELS##suffix, rest, mixed, from, end, x, scratch);             \
    }
FOR_EACH_PROCESSOR(MAKE)

void ctf_pack(const float *weight, int64_t inputs, int64_t from, int64_t end, float *panels) {
    for (int64_t p = from; p < end; p++) {
        for (int64_t k = 0; k < inputs; k++) {
            for (int64_t j = 0; j < LANES; j++) {
                panels[(p * inputs + k) * LANES + j] = weight[(p * LANES + j) * inputs + k];
            }
        }
    }
}

void ctf_project(ctf_norm norm, ctf_linear linear, const float *x, int64_t from, int64_t end,
                 float *y, float *scratch) {
    PICK(project)(&norm, &linear, x, from, end, y, scratch);
}

int64_t ctf_attend_places(ctf_qkv qkv) { return qkv.batch * qkv.heads * placesOfHead(&qkv); }

void ctf_attend(ctf_qkv qkv, int64_t from, int64_t end, float *mixed, float *scratch) {
    PICK(attend)(&qkv, from, end, mixed, scratch);
}

int64_t ctf_attend_scratch(ctf_qkv qkv) {
    return (2 * qkv.tokens + LANES) * qkv.width + ROWSWide * (qkv.tokens + LANES);
}

void ctf_finish(ctf_rest rest, const float *mixed, int64_t from, int64_t end, float *x,
                float *scratch) {
    PICK(finish)(&rest, mixed, from, end, x, scratch);
}

int64_t ctf_row_scratch(int64_t width, int64_t hidden) { return BLOCK * (width + hidden); }
