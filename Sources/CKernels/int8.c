#include "int8.h"

#include "vectors.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LARGEST = 127 };

typedef uint8_t vb __attribute__((vector_size(LANES), aligned(1)));

// What a row's numbers reach from and to.
typedef struct {
    vf low, high, check;
} bounds;

INLINE bounds anywhere(void) { return (bounds){all(FLT_MAX), all(-FLT_MAX), all(0)}; }

INLINE bounds reaching(bounds b, vf x) {
    b.low = choose(x < b.low, x, b.low);
    b.high = choose(x > b.high, x, b.high);
    b.check += x * 0.0F;
    return b;
}

// How a row becomes bytes.
typedef struct {
    float low, inverse;
    int isFinite;
} scaling;

INLINE scaling scalingOf(bounds b, float range[2]) {
    float low = b.low[0], high = b.high[0], check = b.check[0];
    for (int k = 1; k < LANES; k++) {
        low = b.low[k] < low ? b.low[k] : low;
        high = b.high[k] > high ? b.high[k] : high;
        check += b.check[k];
    }
    const float step = (high - low) / (float)LARGEST;
    scaling s = {low, step >= FLT_MIN ? 1.0F / step : 0.0F, check == 0.0F && step <= FLT_MAX};
    range[0] = s.isFinite ? step : NAN;
    range[1] = s.isFinite ? low : 0.0F;
    return s;
}

INLINE void storeBytes(vf x, scaling s, uint8_t *to) {
    const vi number = __builtin_convertvector((x - s.low) * s.inverse + 0.5F, vi);
    *(vb *)to = __builtin_convertvector(number, vb);
}

INLINE void rows(const float *values, const float *weight, const float *bias, double epsilon,
                 int64_t width, int64_t from, int64_t end, uint8_t *bytes, float *ranges) {
    for (int64_t r = from; r < end; r++) {
        const float *row = values + r * width;
        float mean = 0, factor = 1;
        if (weight) statistics(row, width, epsilon, &mean, &factor);
        bounds b = anywhere();
        for (int64_t k = 0; k < width; k += LANES) {
            vf x = LOAD(row + k);
            if (weight) x = (x - mean) * factor * LOAD(weight + k) + LOAD(bias + k);
            b = reaching(b, x);
        }
        const scaling s = scalingOf(b, ranges + 2 * r);
        uint8_t *to = bytes + r * width;
        if (!s.isFinite) {
            memset(to, 0, (size_t)width);
            continue;
        }
        for (int64_t k = 0; k < width; k += LANES) {
            vf x = LOAD(row + k);
            if (weight) x = (x - mean) * factor * LOAD(weight + k) + LOAD(bias + k);
            storeBytes(x, s, to + k);
        }
    }
}

// The number that a sum stands for.
INLINE vf number(const ci8_product *p, int64_t row, int64_t column, const float *sums) {
    const vf x = LOAD(sums + row * p->width + column) * p->ranges[2 * row]
        + LOAD(p->totals + column) * p->ranges[2 * row + 1];
    return p->bias ? x + LOAD(p->bias + column) : x;
}

INLINE void finish(const ci8_product *p, int64_t from, int64_t end, float *sums) {
    for (int64_t r = from; r < end; r++) {
        for (int64_t k = 0; k < p->width; k += LANES) {
            STORE(sums + r * p->width + k, number(p, r, k, sums));
        }
    }
}

// x · Φ(x). The odd polynomial is fitted to Φ(x) − ½ on −4 … 4, for the least error of the result.
INLINE vf gelu(vf x) {
    vf t = choose(x < -4.0F, all(-4), x);
    t = choose(t > 4.0F, all(4), t);
    const vf u = t * t;
    vf y = all(6.74324346e-11F);
    y = y * u + -6.06886925e-9F;
    y = y * u + 2.44140609e-7F;
    y = y * u + -5.86145932e-6F;
    y = y * u + 9.49478526e-5F;
    y = y * u + -1.11289513e-3F;
    y = y * u + 9.81591221e-3F;
    y = y * u + -6.63237980e-2F;
    y = y * u + 3.98881197e-1F;
    return x * (y * t + 0.5F);
}

INLINE void geluRows(const ci8_product *p, int64_t from, int64_t end, float *sums,
                     uint8_t *bytes, float *ranges) {
    for (int64_t r = from; r < end; r++) {
        float *row = sums + r * p->width;
        bounds b = anywhere();
        for (int64_t k = 0; k < p->width; k += LANES) {
            const vf x = gelu(number(p, r, k, sums));
            STORE(row + k, x);
            b = reaching(b, x);
        }
        const scaling s = scalingOf(b, ranges + 2 * r);
        uint8_t *to = bytes + r * p->width;
        if (!s.isFinite) {
            memset(to, 0, (size_t)p->width);
            continue;
        }
        for (int64_t k = 0; k < p->width; k += LANES) storeBytes(LOAD(row + k), s, to + k);
    }
}

INLINE void add(const ci8_product *p, const float *factors, int64_t from, int64_t end,
                const float *sums, float *values) {
    for (int64_t r = from; r < end; r++) {
        float *to = values + r * p->width;
        for (int64_t k = 0; k < p->width; k += LANES) {
            vf x = number(p, r, k, sums);
            if (factors) x *= LOAD(factors + k);
            STORE(to + k, LOAD(to + k) + x);
        }
    }
}

#define MAKE(suffix, attributes)                                                                  \
    attributes static void rows##suffix(const float *values, const float *weight,                 \
                                        const float *bias, double epsilon, int64_t width,         \
                                        int64_t from, int64_t end, uint8_t *bytes,                \
                                        float *ranges) {                                          \
        if (weight) {                                                                             \
            rows(values, weight, bias, epsilon, width, from, end, bytes, ranges);                 \
        } else {                                                                                  \
            rows(values, NULL, NULL, epsilon, width, from, end, bytes, ranges);                   \
        }                                                                                         \
    }                                                                                             \
    attributes static void finish##suffix(const ci8_product *p, int64_t from, int64_t end,        \
                                          float *sums) {                                          \
        finish(p, from, end, sums);                                                               \
    }                                                                                             \
    attributes static void geluRows##suffix(const ci8_product *p, int64_t from, int64_t end,      \
                                            float *sums, uint8_t *bytes, float *ranges) {         \
        geluRows(p, from, end, sums, bytes, ranges);                                              \
    }                                                                                             \
    attributes static void add##suffix(const ci8_product *p, const float *factors, int64_t from,  \
                                       int64_t end, const float *sums, float *values) {           \
        add(p, factors, from, end, sums, values);                                                 \
    }
FOR_EACH_PROCESSOR(MAKE)

void ci8_weights(const float *weights, int64_t width, int64_t from, int64_t end, int8_t *results,
                 float *steps, float *totals) {
    for (int64_t r = from; r < end; r++) {
        const float *row = weights + r * width;
        float largest = 0;
        for (int64_t k = 0; k < width; k++) largest = fmaxf(largest, fabsf(row[k]));
        const float step = largest / (float)LARGEST;
        const float inverse = step >= FLT_MIN ? 1.0F / step : 0.0F;
        int64_t sum = 0;
        for (int64_t k = 0; k < width; k++) {
            const long near = lrintf(row[k] * inverse);
            results[r * width + k] = (int8_t)near;
            sum += near;
        }
        steps[r] = step;
        totals[r] = step * (float)sum;
    }
}

void ci8_rows(const float *values, const float *weight, const float *bias, double epsilon,
              int64_t width, int64_t from, int64_t end, uint8_t *bytes, float *ranges) {
    PICK(rows)(values, weight, bias, epsilon, width, from, end, bytes, ranges);
}

void ci8_finish(ci8_product product, int64_t from, int64_t end, float *sums) {
    PICK(finish)(&product, from, end, sums);
}

void ci8_gelu_rows(ci8_product product, int64_t from, int64_t end, float *sums, uint8_t *bytes,
                   float *ranges) {
    PICK(geluRows)(&product, from, end, sums, bytes, ranges);
}

void ci8_add(ci8_product product, const float *factors, int64_t from, int64_t end,
             const float *sums, float *values) {
    PICK(add)(&product, factors, from, end, sums, values);
}
