#include "winograd.h"

#include "vectors.h"

// A column of six or four numbers through Bᵀ, Aᵀ and A.
INLINE void transformInput(const vf d[6], vf o[6]) {
    const vf even = d[4] - 4.0F * d[2], odd = d[3] - 4.0F * d[1];
    const vf near = d[4] - d[2], far = 2.0F * (d[3] - d[1]);
    o[0] = 4.0F * d[0] - 5.0F * d[2] + d[4];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = near + far;
    o[4] = near - far;
    o[5] = 4.0F * d[1] - 5.0F * d[3] + d[5];
}

INLINE void transformOutput(const vf m[6], vf o[4]) {
    const vf sum = m[1] + m[2], difference = m[1] - m[2];
    const vf sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    o[0] = m[0] + sum + sum2;
    o[1] = difference + 2.0F * difference2;
    o[2] = sum + 4.0F * sum2;
    o[3] = difference + 8.0F * difference2 + m[5];
}

INLINE void transformGradient(const vf g[4], vf o[6]) {
    const vf even = g[0] + g[2], odd = g[1] + g[3];
    const vf even2 = g[0] + 4.0F * g[2], odd2 = 2.0F * g[1] + 8.0F * g[3];
    o[0] = g[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = g[3];
}

typedef struct {
    int32_t y, x;
    int64_t offset;  // of the corner in the map
} tile_place;

INLINE tile_place placeOf(const cwg_map *map, int64_t tile) {
    const int64_t columns = (map->width + 3) / 4, rows = (map->height + 3) / 4;
    const int64_t image = tile / (rows * columns), inside = tile % (rows * columns);
    tile_place place;
    place.y = (int32_t)(inside / columns) * 4;
    place.x = (int32_t)(inside % columns) * 4;
    place.offset =
        ((image * map->height + place.y) * map->width + place.x) * (int64_t)map->channels;
    return place;
}

INLINE void inputTiles(const cwg_map *map, const float *values, int64_t from, int64_t end,
                       float *matrices) {
    const int64_t channels = map->channels, plane = map->count * channels;
    const int64_t row = map->width * channels;
    for (int64_t tile = from; tile < end; tile++) {
        const tile_place place = placeOf(map, tile);
        const float *corner = values + place.offset;
        float *to = matrices + (tile - map->first) * channels;
        const int isInside = place.y > 0 && place.x > 0 && place.y + 5 <= map->height
                             && place.x + 5 <= map->width;
        for (int64_t c = 0; c < channels; c += LANES) {
            vf half[6][6];
            for (int j = 0; j < 6; j++) {
                vf d[6], o[6];
                for (int i = 0; i < 6; i++) {
                    const int32_t y = place.y + i - 1, x = place.x + j - 1;
                    const int is = isInside
                                   || (y >= 0 && x >= 0 && y < map->height && x < map->width);
                    d[i] = is ? LOAD(corner + (i - 1) * row + (j - 1) * channels + c) : (vf){0};
                }
                transformInput(d, o);
                for (int i = 0; i < 6; i++) half[i][j] = o[i];
            }
            for (int i = 0; i < 6; i++) {
                vf o[6];
                transformInput(half[i], o);
                for (int j = 0; j < 6; j++) STORE(to + (i * 6 + j) * plane + c, o[j]);
            }
        }
    }
}

INLINE void outputTiles(const cwg_map *map, const float *matrices, const float *bias,
                        int32_t isReLU, int64_t from, int64_t end, float *values) {
    const int64_t channels = map->channels, plane = map->count * channels;
    const int64_t row = map->width * channels;
    for (int64_t tile = from; tile < end; tile++) {
        const tile_place place = placeOf(map, tile);
        float *corner = values + place.offset;
        const float *m = matrices + (tile - map->first) * channels;
        for (int64_t c = 0; c < channels; c += LANES) {
            vf half[4][6];
            for (int j = 0; j < 6; j++) {
                vf d[6], o[4];
                for (int i = 0; i < 6; i++) d[i] = LOAD(m + (i * 6 + j) * plane + c);
                transformOutput(d, o);
                for (int i = 0; i < 4; i++) half[i][j] = o[i];
            }
            const vf shift = bias ? LOAD(bias + c) : (vf){0};
            for (int i = 0; i < 4 && place.y + i < map->height; i++) {
                vf o[4];
                transformOutput(half[i], o);
                for (int j = 0; j < 4 && place.x + j < map->width; j++) {
                    vf value = o[j] + shift;
                    if (isReLU) value = (vf)((vi)value & ((vi)(value > 0.0F)));
                    STORE(corner + i * row + j * channels + c, value);
                }
            }
        }
    }
}

INLINE void gradientTiles(const cwg_map *map, const float *values, int64_t from, int64_t end,
                          float *matrices) {
    const int64_t channels = map->channels, plane = map->count * channels;
    const int64_t row = map->width * channels;
    for (int64_t tile = from; tile < end; tile++) {
        const tile_place place = placeOf(map, tile);
        const float *corner = values + place.offset;
        float *to = matrices + (tile - map->first) * channels;
        for (int64_t c = 0; c < channels; c += LANES) {
            vf half[6][4];
            for (int j = 0; j < 4; j++) {
                vf g[4], o[6];
                for (int i = 0; i < 4; i++) {
                    const int is = place.y + i < map->height && place.x + j < map->width;
                    g[i] = is ? LOAD(corner + i * row + j * channels + c) : (vf){0};
                }
                transformGradient(g, o);
                for (int i = 0; i < 6; i++) half[i][j] = o[i];
            }
            for (int i = 0; i < 6; i++) {
                vf o[6];
                transformGradient(half[i], o);
                for (int j = 0; j < 6; j++) STORE(to + (i * 6 + j) * plane + c, o[j]);
            }
        }
    }
}

// Three numbers of a kernel through G, six through its transpose.
INLINE void transformWeight(const vf w[3], vf o[6]) {
    const vf even = (w[0] + w[2]) * (-1.0F / 6), odd = w[1] * (1.0F / 6);
    const vf even2 = w[0] * (1.0F / 24) + w[2] * (1.0F / 6), odd2 = w[1] * (1.0F / 12);
    o[0] = w[0] * (1.0F / 4);
    o[1] = even - odd;
    o[2] = even + odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = w[2];
}

INLINE void transformWeightGradient(const vf m[6], vf o[3]) {
    const vf near = (m[1] + m[2]) * (1.0F / 6), far = m[3] + m[4];
    o[0] = m[0] * (1.0F / 4) - near + far * (1.0F / 24);
    o[1] = (m[2] - m[1]) * (1.0F / 6) + (m[3] - m[4]) * (1.0F / 12);
    o[2] = far * (1.0F / 6) - near + m[5];
}

INLINE void weightRange(const float *taps, int64_t plane, int32_t isTurned, int64_t from,
                        int64_t end, float *matrices) {
    for (int64_t place = from; place < end; place += LANES) {
        vf half[6][3];
        for (int q = 0; q < 3; q++) {
            vf w[3], o[6];
            for (int p = 0; p < 3; p++) {
                const int tap = 3 * p + q;
                w[p] = LOAD(taps + (isTurned ? 8 - tap : tap) * plane + place);
            }
            transformWeight(w, o);
            for (int i = 0; i < 6; i++) half[i][q] = o[i];
        }
        for (int i = 0; i < 6; i++) {
            vf o[6];
            transformWeight(half[i], o);
            for (int j = 0; j < 6; j++) STORE(matrices + (i * 6 + j) * plane + place, o[j]);
        }
    }
}

INLINE void weightGradientRange(const float *matrices, int64_t plane, int64_t from, int64_t end,
                                float *taps) {
    for (int64_t place = from; place < end; place += LANES) {
        vf half[3][6];
        for (int j = 0; j < 6; j++) {
            vf m[6], o[3];
            for (int i = 0; i < 6; i++) m[i] = LOAD(matrices + (i * 6 + j) * plane + place);
            transformWeightGradient(m, o);
            for (int p = 0; p < 3; p++) half[p][j] = o[p];
        }
        for (int p = 0; p < 3; p++) {
            vf o[3];
            transformWeightGradient(half[p], o);
            for (int q = 0; q < 3; q++) STORE(taps + (3 * p + q) * plane + place, o[q]);
        }
    }
}

#define MAKE(suffix, attributes) \
    attributes static void input##suffix( \
        const cwg_map *map, const float *x, int64_t from, int64_t end, float *m) { \
        inputTiles(map, x, from, end, m); \
    } \
    attributes static void output##suffix( \
        const cwg_map *map, const float *m, const float *bias, int32_t isReLU, int64_t from, \
        int64_t end, float *x) { \
        outputTiles(map, m, bias, isReLU, from, end, x); \
    } \
    attributes static void gradient##suffix( \
        const cwg_map *map, const float *x, int64_t from, int64_t end, float *m) { \
        gradientTiles(map, x, from, end, m); \
    } \
    attributes static void weights##suffix( \
        const float *taps, int64_t plane, int32_t isTurned, int64_t from, int64_t end, float *m) { \
        weightRange(taps, plane, isTurned, from, end, m); \
    } \
    attributes static void weightsGradient##suffix( \
        const float *m, int64_t plane, int64_t from, int64_t end, float *taps) { \
        weightGradientRange(m, plane, from, end, taps); \
    }
FOR_EACH_PROCESSOR(MAKE)

void cwg_input(cwg_map map, const float *values, int64_t from, int64_t end, float *matrices) {
    PICK(input)(&map, values, from, end, matrices);
}

void cwg_output(cwg_map map, const float *matrices, const float *bias, int32_t isReLU,
                int64_t from, int64_t end, float *values) {
    PICK(output)(&map, matrices, bias, isReLU, from, end, values);
}

void cwg_output_gradient(cwg_map map, const float *values, int64_t from, int64_t end,
                         float *matrices) {
    PICK(gradient)(&map, values, from, end, matrices);
}

void cwg_weights(const float *taps, int64_t plane, int32_t isTurned, int64_t from, int64_t end,
                 float *matrices) {
    PICK(weights)(taps, plane, isTurned, from, end, matrices);
}

void cwg_weights_gradient(const float *matrices, int64_t plane, int64_t from, int64_t end,
                          float *taps) {
    PICK(weightsGradient)(matrices, plane, from, end, taps);
}
