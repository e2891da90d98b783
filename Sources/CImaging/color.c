#include "kernels.h"

typedef uint8_t u8x32 __attribute__((vector_size(32)));

enum { BLOCK = 128 };

// Interleaved pixels to planes and back, sixteen at a time. `count` is a multiple of 16.
CI_INLINE void split(const uint8_t *rgb, size_t count, uint8_t planes[3][BLOCK]) {
    for (size_t i = 0; i < count; i += 16, rgb += 48) {
        ci_u8x16 a, b, c;
        memcpy(&a, rgb, 16);
        memcpy(&b, rgb + 16, 16);
        memcpy(&c, rgb + 32, 16);
        u8x32 ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
        u8x32 cc = __builtin_shufflevector(c, c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                           -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        ci_u8x16 red = __builtin_shufflevector(ab, cc, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36,
                                               39, 42, 45);
        ci_u8x16 green = __builtin_shufflevector(ab, cc, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34,
                                                 37, 40, 43, 46);
        ci_u8x16 blue = __builtin_shufflevector(ab, cc, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 35,
                                                38, 41, 44, 47);
        memcpy(planes[0] + i, &red, 16);
        memcpy(planes[1] + i, &green, 16);
        memcpy(planes[2] + i, &blue, 16);
    }
}

CI_INLINE void join(uint8_t planes[3][BLOCK], size_t count, uint8_t *rgb) {
    for (size_t i = 0; i < count; i += 16, rgb += 48) {
        ci_u8x16 red, green, blue;
        memcpy(&red, planes[0] + i, 16);
        memcpy(&green, planes[1] + i, 16);
        memcpy(&blue, planes[2] + i, 16);
        u8x32 rg = __builtin_shufflevector(red, green, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
        u8x32 bb = __builtin_shufflevector(blue, blue, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                           -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        ci_u8x16 a = __builtin_shufflevector(rg, bb, 0, 16, 32, 1, 17, 33, 2, 18, 34, 3, 19, 35, 4, 20,
                                             36, 5);
        ci_u8x16 b = __builtin_shufflevector(rg, bb, 21, 37, 6, 22, 38, 7, 23, 39, 8, 24, 40, 9, 25, 41,
                                             10, 26);
        ci_u8x16 c = __builtin_shufflevector(rg, bb, 42, 11, 27, 43, 12, 28, 44, 13, 29, 45, 14, 30, 46,
                                             15, 31, 47);
        memcpy(rgb, &a, 16);
        memcpy(rgb + 16, &b, 16);
        memcpy(rgb + 32, &c, 16);
    }
}

// A block of pixels as planes; the image's last block is filled up with black.
typedef struct {
    uint8_t planes[3][BLOCK];
    uint8_t rest[3 * BLOCK];
    size_t width;
} block;

CI_INLINE void load(block *pixels, const uint8_t *rgb, size_t count) {
    pixels->width = count < BLOCK ? count : BLOCK;
    if (pixels->width < BLOCK) {
        memset(pixels->rest, 0, sizeof pixels->rest);
        memcpy(pixels->rest, rgb, 3 * pixels->width);
        rgb = pixels->rest;
    }
    split(rgb, BLOCK, pixels->planes);
}

CI_INLINE void store(block *pixels, uint8_t *rgb) {
    if (pixels->width == BLOCK) {
        join(pixels->planes, BLOCK, rgb);
    } else {
        join(pixels->planes, BLOCK, pixels->rest);
        memcpy(rgb, pixels->rest, 3 * pixels->width);
    }
}

// ITU-R 601 luma as Pillow's convert("L") takes it.
CI_INLINE uint32_t luma(uint32_t red, uint32_t green, uint32_t blue) {
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
}

// Pillow's blend: in single precision, cut to a whole number. Only factors above 1 or below 0 leave
// 0...255, so clamping never changes the others.
CI_INLINE uint8_t blend(int32_t degenerate, int32_t value, float factor) {
    float mixed = (float)degenerate + factor * (float)(value - degenerate);
    mixed = mixed > 0 ? mixed : 0;
    return (uint8_t)(int32_t)(mixed < 255 ? mixed : 255);
}

CI_INLINE void blend_body(uint8_t *values, size_t count, int32_t degenerate, float factor) {
    for (size_t i = 0; i < count; i++) values[i] = blend(degenerate, values[i], factor);
}
CI_COMPILE(blend, (uint8_t *values, size_t count, int32_t degenerate, float factor),
           (values, count, degenerate, factor))

void ci_blend(int level, uint8_t *values, size_t count, uint8_t degenerate, float factor) {
    CI_CALL(level, blend, (values, count, degenerate, factor));
}

CI_INLINE void luma_sum_body(const uint8_t *rgb, size_t count, uint64_t *sum) {
    uint64_t total = 0;
    block pixels;
    for (size_t start = 0; start < count; start += BLOCK) {
        load(&pixels, rgb + 3 * start, count - start);
        uint32_t part = 0;
        for (size_t i = 0; i < BLOCK; i++) part += luma(pixels.planes[0][i], pixels.planes[1][i], pixels.planes[2][i]);
        total += part;
    }
    *sum = total;
}
CI_COMPILE(luma_sum, (const uint8_t *rgb, size_t count, uint64_t *sum), (rgb, count, sum))

uint64_t ci_luma_sum(int level, const uint8_t *rgb, size_t count) {
    uint64_t sum = 0;
    CI_CALL(level, luma_sum, (rgb, count, &sum));
    return sum;
}

CI_INLINE void grey_body(uint8_t *rgb, size_t count) {
    block pixels;
    for (size_t start = 0; start < count; start += BLOCK) {
        load(&pixels, rgb + 3 * start, count - start);
        for (size_t i = 0; i < BLOCK; i++) {
            uint8_t grey = (uint8_t)luma(pixels.planes[0][i], pixels.planes[1][i], pixels.planes[2][i]);
            pixels.planes[0][i] = pixels.planes[1][i] = pixels.planes[2][i] = grey;
        }
        store(&pixels, rgb + 3 * start);
    }
}
CI_COMPILE(grey, (uint8_t *rgb, size_t count), (rgb, count))

void ci_grey(int level, uint8_t *rgb, size_t count) { CI_CALL(level, grey, (rgb, count)); }

CI_INLINE void saturate_body(uint8_t *rgb, size_t count, float factor) {
    block pixels;
    for (size_t start = 0; start < count; start += BLOCK) {
        load(&pixels, rgb + 3 * start, count - start);
        int32_t greys[BLOCK];
        for (size_t i = 0; i < BLOCK; i++) {
            greys[i] = (int32_t)luma(pixels.planes[0][i], pixels.planes[1][i], pixels.planes[2][i]);
        }
        for (size_t c = 0; c < 3; c++) {
            for (size_t i = 0; i < BLOCK; i++) pixels.planes[c][i] = blend(greys[i], pixels.planes[c][i], factor);
        }
        store(&pixels, rgb + 3 * start);
    }
}
CI_COMPILE(saturate, (uint8_t *rgb, size_t count, float factor), (rgb, count, factor))

void ci_saturate(int level, uint8_t *rgb, size_t count, float factor) {
    CI_CALL(level, saturate, (rgb, count, factor));
}

// The 8-bit hue is 85 N / 2 R cut to a whole number, where N / R sixths of the circle is the exact
// hue; Pillow works it out in float and double. The two differ only where 85 N / 2 R is whole, and
// there by what `tables->hues` says (every case was compared). Half a 2R-th more keeps the division
// here on the right side of every whole number.
CI_INLINE void hue_places(uint8_t planes[3][BLOCK], uint16_t *places, float *shares) {
    for (size_t i = 0; i < BLOCK; i++) {
        int32_t red = planes[0][i], green = planes[1][i], blue = planes[2][i];
        int32_t highest = red > green ? red : green, lowest = red < green ? red : green;
        highest = highest > blue ? highest : blue;
        lowest = lowest < blue ? lowest : blue;
        int32_t range = highest - lowest;
        int32_t rise = red + green + blue - highest - lowest - lowest;  // of the middle channel
        int32_t next = red == highest ? green : green == highest ? blue : red;
        int32_t third = red == highest ? 0 : green == highest ? 2 : 4;
        int32_t numerator = third * range + (next == lowest ? -rise : rise);
        numerator += numerator < 0 ? 6 * range : 0;
        int32_t divisor = range > 0 ? 2 * range : 2;
        int32_t whole = (int32_t)(((float)(85 * numerator) + 0.5f) / (float)divisor);
        places[i] = (uint16_t)(2 * whole + (whole * divisor == 85 * numerator ? 1 : 0));
        int32_t saturation = (int32_t)((float)range / (float)(highest > 0 ? highest : 1) * 255.0f);
        shares[i] = (float)saturation / 255.0f;
    }
}

CI_INLINE void turned_channels(uint8_t planes[3][BLOCK], const float *shares, const float *positions,
                               const uint8_t *sectors) {
    for (size_t i = 0; i < BLOCK; i++) {
        int32_t red = planes[0][i], green = planes[1][i], blue = planes[2][i];
        int32_t highest = red > green ? red : green;
        highest = highest > blue ? highest : blue;
        int32_t sector = sectors[i];
        double share = (double)shares[i];
        float falling = shares[i] * positions[i];
        double rising = share * (1 - (double)positions[i]);
        double part = sector & 1 ? (double)falling : rising;
        int32_t middle = (int32_t)((double)highest * (1 - part) + 0.5);
        int32_t lowest = (int32_t)((double)highest * (1 - share) + 0.5);
        planes[0][i] = (uint8_t)(sector == 0 || sector == 5   ? highest
                                 : sector == 1 || sector == 4 ? middle
                                                              : lowest);
        planes[1][i] = (uint8_t)(sector == 1 || sector == 2   ? highest
                                 : sector == 0 || sector == 3 ? middle
                                                              : lowest);
        planes[2][i] = (uint8_t)(sector == 3 || sector == 4   ? highest
                                 : sector == 2 || sector == 5 ? middle
                                                              : lowest);
    }
}

CI_INLINE void turn_hue_body(uint8_t *rgb, size_t count, uint8_t shift, const ci_hue_tables *tables) {
    block pixels;
    for (size_t start = 0; start < count; start += BLOCK) {
        load(&pixels, rgb + 3 * start, count - start);
        uint16_t places[BLOCK];
        uint8_t sectors[BLOCK];
        float shares[BLOCK], positions[BLOCK];
        hue_places(pixels.planes, places, shares);
        for (size_t i = 0; i < BLOCK; i++) {
            uint8_t hue = (uint8_t)(tables->hues[places[i]] + shift);
            sectors[i] = tables->sectors[hue];
            positions[i] = tables->positions[hue];
        }
        turned_channels(pixels.planes, shares, positions, sectors);
        store(&pixels, rgb + 3 * start);
    }
}
CI_COMPILE(turn_hue, (uint8_t *rgb, size_t count, uint8_t shift, const ci_hue_tables *tables),
           (rgb, count, shift, tables))

void ci_turn_hue(int level, uint8_t *rgb, size_t count, uint8_t shift, const ci_hue_tables *tables) {
    CI_CALL(level, turn_hue, (rgb, count, shift, tables));
}
