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

// G, whose rows make six numbers of a kernel's three.
static const float kernelTransform[6][3] = {
    {1.0F / 4, 0, 0},
    {-1.0F / 6, -1.0F / 6, -1.0F / 6},
    {-1.0F / 6, 1.0F / 6, -1.0F / 6},
    {1.0F / 24, 1.0F / 12, 1.0F / 6},
    {1.0F / 24, -1.0F / 12, 1.0F / 6},
    {0, 0, 1},
};

void cwg_weights(const float *weights, int32_t outputs, int32_t inputs, int32_t isTransposed,
                 float *matrices) {
    const int64_t plane = (int64_t)outputs * inputs;
    const int32_t rows = isTransposed ? outputs : inputs, columns = isTransposed ? inputs : outputs;
    for (int32_t r = 0; r < rows; r++) {
        for (int32_t k = 0; k < columns; k++) {
            const int64_t place = isTransposed ? (int64_t)r * inputs + k : (int64_t)k * inputs + r;
            const float *w = weights + place * 9;
            float half[6][3];
            for (int i = 0; i < 6; i++) {
                for (int j = 0; j < 3; j++) {
                    float sum = 0;
                    for (int p = 0; p < 3; p++) {
                        sum += kernelTransform[i][p] * (isTransposed ? w[8 - 3 * p - j] : w[3 * p + j]);
                    }
                    half[i][j] = sum;
                }
            }
            float *to = matrices + (int64_t)r * columns + k;
            for (int i = 0; i < 6; i++) {
                for (int j = 0; j < 6; j++) {
                    float sum = 0;
                    for (int p = 0; p < 3; p++) sum += half[i][p] * kernelTransform[j][p];
                    to[(i * 6 + j) * plane] = sum;
                }
            }
        }
    }
}

void cwg_weights_gradient(const float *matrices, int32_t outputs, int32_t inputs, float *weights) {
    const int64_t plane = (int64_t)outputs * inputs;
    for (int32_t k = 0; k < outputs; k++) {
        for (int32_t c = 0; c < inputs; c++) {
            const float *m = matrices + (int64_t)c * outputs + k;
            float half[3][6];
            for (int p = 0; p < 3; p++) {
                for (int j = 0; j < 6; j++) {
                    float sum = 0;
                    for (int i = 0; i < 6; i++) sum += kernelTransform[i][p] * m[(i * 6 + j) * plane];
                    half[p][j] = sum;
                }
            }
            float *w = weights + ((int64_t)k * inputs + c) * 9;
            for (int p = 0; p < 3; p++) {
                for (int q = 0; q < 3; q++) {
                    float sum = 0;
                    for (int j = 0; j < 6; j++) sum += half[p][j] * kernelTransform[j][q];
                    w[3 * p + q] = sum;
                }
            }
        }
    }
}
