#include "mean_field.h"

#include "vectors.h"

#include <stdlib.h>
#include <string.h>

// Each product is rounded before it is added.
#pragma STDC FP_CONTRACT OFF

// What a direction's affinity is between: a pixel and its neighbour to the right, and the three below.
enum { EAST, SOUTH_WEST, SOUTH, SOUTH_EAST, DIRECTIONS };

struct cmf_field {
    int32_t height, width;
    // Where the mask is above 0: rows [top, bottom), columns [left, right).
    int32_t top, bottom, left, right;
    // Floats from row to row of the maps below, which have a border of zeros: a row above and below, LANES
    // columns on both sides.
    int32_t stride;
    float low, high;
    float *affinity[DIRECTIONS];
    // Logarithms of background and foreground, before and after an update in turn.
    float *logs[2][2];
    float *mask;
    float *probability;
    float memory[];
};

// exp(x) for x ≤ 0; 0 where that would not be a normal number. The polynomial is Cephes' expf (Moshier).
INLINE vf exponential(vf x) {
    vi small = x < -87.0F;
    x = choose(small, all(0), x);
    vf n = x * 1.44269504088896341F - 0.5F;
    vi k = __builtin_convertvector(n, vi);  // towards 0: the nearest for x ≤ 0
    n = __builtin_convertvector(k, vf);
    x -= n * 0.693359375F;
    x -= n * -2.12194440e-4F;
    vf y = all(1.9875691500e-4F);
    y = y * x + 1.3981999507e-3F;
    y = y * x + 8.3334519073e-3F;
    y = y * x + 4.1665795894e-2F;
    y = y * x + 1.6666665459e-1F;
    y = y * x + 5.0000001201e-1F;
    y = y * (x * x) + x + 1.0F;
    vf power = (vf)((k + 127) << 23);
    return choose(small, all(0), y * power);
}

// log(x) of a positive normal number. The polynomial is Cephes' logf (Moshier).
INLINE vf logarithm(vf x) {
    vi bits = (vi)x;
    vi e = (bits >> 23) - 126;
    vf m = (vf)((bits & 0x007FFFFF) | 0x3F000000);
    vi low = m < 0.707106781186547524F;
    e += low;  // minus one
    m = m + choose(low, m, all(0)) - 1.0F;
    vf z = m * m;
    vf y = all(7.0376836292e-2F);
    y = y * m + -1.1514610310e-1F;
    y = y * m + 1.1676998740e-1F;
    y = y * m + -1.2420140846e-1F;
    y = y * m + 1.4249322787e-1F;
    y = y * m + -1.6668057665e-1F;
    y = y * m + 2.0000714765e-1F;
    y = y * m + -2.4999993993e-1F;
    y = y * m + 3.3333331174e-1F;
    y = y * m * z;
    vf exponent = __builtin_convertvector(e, vf);
    y += exponent * -2.12194440e-4F;
    y -= 0.5F * z;
    return (m + y) + exponent * 0.693359375F;
}

// The first of a row's vectors begins at this column of the image.
INLINE int32_t firstColumn(const cmf_field *f) { return f->left / LANES * LANES; }

INLINE vf lanes(void) {
    vf lane;
    for (int k = 0; k < LANES; k++) lane[k] = (float)k;
    return lane;
}

// Zeros for the lanes beyond the image: what is outside costs nothing.
INLINE vf inside(const cmf_field *f, int32_t x, vf value) {
    if (x + LANES <= f->width) return value;
    return choose(lanes() < (float)(f->width - x), value, all(0));
}

INLINE int32_t updateRows(cmf_field *f, int32_t number, int32_t first, int32_t end) {
    const int32_t s = f->stride;
    const float *bg = f->logs[number & 1][0], *fg = f->logs[number & 1][1];
    float *nextBg = f->logs[~number & 1][0], *nextFg = f->logs[~number & 1][1];
    const float *east = f->affinity[EAST], *southWest = f->affinity[SOUTH_WEST];
    const float *south = f->affinity[SOUTH], *southEast = f->affinity[SOUTH_EAST];
    const vf low = all(f->low), high = all(f->high);
    vi changed = {0};
    for (int32_t y = first; y < end; y++) {
        for (int32_t x = firstColumn(f); x < f->right; x += LANES) {
            const ptrdiff_t i = (ptrdiff_t)(y + 1) * s + LANES + x;
            vf w = LOAD(southEast + i - s - 1);
            vf a = w * LOAD(bg + i - s - 1), b = w * LOAD(fg + i - s - 1);
#define ADD(weight, place) \
    w = LOAD(weight); \
    a += w * LOAD(bg + (place)); \
    b += w * LOAD(fg + (place));
            ADD(south + i - s, i - s)
            ADD(southWest + i - s + 1, i - s + 1)
            ADD(east + i - 1, i - 1)
            a += LOAD(bg + i);
            b += LOAD(fg + i);
            ADD(east + i, i + 1)
            ADD(southWest + i, i + s - 1)
            ADD(south + i, i + s)
            ADD(southEast + i, i + s + 1)
#undef ADD
            vf background = exponential(a);
            vf foreground = exponential(b) * LOAD(f->mask + i);
            vf q = foreground / ((background + foreground) + 1e-6F);
            q = choose(q < low, low, choose(q > high, high, q));
            changed |= q != LOAD(f->probability + i);
            STORE(f->probability + i, q);
            STORE(nextBg + i, inside(f, x, logarithm(1.0F - q)));
            STORE(nextFg + i, inside(f, x, logarithm(q)));
        }
    }
    int32_t any = 0;
    for (int k = 0; k < LANES; k++) any |= changed[k];
    return any != 0;
}

// Affinities of rows and the logarithms before the first update. `colours` is padded as the maps are.
INLINE void prepareRows(cmf_field *f, const float *colours, int32_t channels, float zeta) {
    const ptrdiff_t s = f->stride, plane = s * (f->height + 2);
    const ptrdiff_t step[DIRECTIONS] = {1, s - 1, s, s + 1};
    const float scale = (float)(2 * (double)zeta * (double)zeta);
    for (int32_t y = 0; y < f->height; y++) {
        for (int32_t x = 0; x < f->width; x += LANES) {
            const ptrdiff_t i = (y + 1) * s + LANES + x;
            for (int d = 0; d < DIRECTIONS; d++) {
                vf distance = {0};
                for (int32_t c = 0; c < channels; c++) {
                    const float *colour = colours + c * plane + i;
                    vf difference = LOAD(colour + step[d]) - LOAD(colour);
                    distance += difference * difference / scale;
                }
                // A neighbour to the left of the first column counts for its own row's last lanes only.
                STORE(f->affinity[d] + i, inside(f, x, exponential(-distance)));
            }
            vf q = LOAD(f->probability + i);
            STORE(f->logs[0][0] + i, inside(f, x, logarithm(1.0F - q)));
            STORE(f->logs[0][1] + i, inside(f, x, logarithm(q)));
            STORE(f->logs[1][0] + i, LOAD(f->logs[0][0] + i));
            STORE(f->logs[1][1] + i, LOAD(f->logs[0][1] + i));
        }
    }
}

#define MAKE(suffix, target) \
    target static int32_t update##suffix(cmf_field *f, int32_t n, int32_t first, int32_t end) { \
        return updateRows(f, n, first, end); \
    } \
    target static void prepare##suffix(cmf_field *f, const float *c, int32_t n, float zeta) { \
        prepareRows(f, c, n, zeta); \
    }
FOR_EACH_PROCESSOR(MAKE)

int32_t cmf_update(cmf_field *f, int32_t number, int32_t first, int32_t end) {
    return PICK(update)(f, number, first, end);
}

void cmf_rows(const cmf_field *f, int32_t *first, int32_t *end) {
    *first = f->top;
    *end = f->bottom;
}

void cmf_run(cmf_field *f, int32_t count) {
    for (int32_t k = 0; k < count; k++) {
        if (!cmf_update(f, k, f->top, f->bottom)) return;
    }
}

static float clamped(const cmf_field *f, float x) {
    return x < f->low ? f->low : x > f->high ? f->high : x;
}

static void findMask(cmf_field *f, const float *mask) {
    if (!mask) return;
    f->top = f->height, f->bottom = 0, f->left = f->width, f->right = 0;
    for (int32_t y = 0; y < f->height; y++) {
        for (int32_t x = 0; x < f->width; x++) {
            if (mask[(size_t)y * f->width + x] == 0) continue;
            if (y < f->top) f->top = y;
            if (x < f->left) f->left = x;
            if (x >= f->right) f->right = x + 1;
            f->bottom = y + 1;
        }
    }
    if (f->top >= f->bottom) f->top = f->bottom = f->left = f->right = 0;
}

cmf_field *cmf_make(const float *image, int32_t channels, const float *probabilities,
                    const float *mask, int32_t height, int32_t width, float zeta, float low,
                    float high) {
    const size_t stride = ((size_t)width + LANES - 1) / LANES * LANES + 2 * LANES;
    const size_t plane = stride * ((size_t)height + 2);
    const size_t maps = DIRECTIONS + 4 + 2;
    float *colours = calloc(plane * channels + LANES, sizeof(float));
    cmf_field *f = calloc(1, sizeof(cmf_field) + (plane * maps + LANES) * sizeof(float));
    if (!f || !colours) {
        free(colours);
        free(f);
        return NULL;
    }
    float *map = f->memory;
    for (int d = 0; d < DIRECTIONS; d++, map += plane) f->affinity[d] = map;
    for (int k = 0; k < 4; k++, map += plane) f->logs[k / 2][k % 2] = map;
    f->mask = map;
    f->probability = map + plane;
    f->height = height, f->width = width, f->stride = (int32_t)stride;
    f->low = low, f->high = high;
    f->bottom = height, f->right = width;
    findMask(f, mask);
    for (int32_t y = 0; y < height; y++) {
        const size_t from = (size_t)y * width, to = ((size_t)y + 1) * stride + LANES;
        for (int32_t c = 0; c < channels; c++) {
            const float *row = image + (size_t)c * height * width + from;
            // Far from the zeros outside, so that those have affinity 0.
            for (int32_t x = 0; x < width; x++) colours[c * plane + to + x] = row[x] + 10.0F;
        }
        for (int32_t x = 0; x < width; x++) {
            const float factor = mask ? mask[from + x] : 1.0F;
            f->mask[to + x] = factor;
            f->probability[to + x] = clamped(f, probabilities[from + x] * factor);
        }
        // Lanes beyond the image hold some probability, so that their logarithms are numbers.
        for (size_t x = width; x < stride - 2 * LANES; x++) f->probability[to + x] = low;
    }
    PICK(prepare)(f, colours, channels, zeta);
    free(colours);
    return f;
}

void cmf_free(cmf_field *f) { free(f); }

void cmf_result(const cmf_field *f, float *probabilities) {
    for (int32_t y = 0; y < f->height; y++) {
        memcpy(probabilities + (size_t)y * f->width,
               f->probability + ((size_t)y + 1) * f->stride + LANES, f->width * sizeof(float));
    }
}
