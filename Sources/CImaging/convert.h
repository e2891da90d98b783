#pragma once
// Row conversions to RGB, with Pillow's rounding.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cimaging.h"

static inline int ci_fail(char *message, int status, const char *text) {
    snprintf(message, CI_MESSAGE, "%s", text);
    return status;
}

static inline void ci_grey_to_rgb(const uint8_t *grey, uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey[i];
    }
}

static inline uint8_t ci_ink(uint8_t ink, unsigned light) {
    unsigned product = ink * light + 128;
    unsigned dark = ((product >> 8) + product) >> 8;
    return dark > light ? 0 : (uint8_t)(light - dark);
}

// `inverted`: 255 means no ink, as Adobe writes CMYK JPEGs.
static inline void ci_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t count, int inverted) {
    uint8_t flip = inverted ? 255 : 0;
    for (size_t i = 0; i < count; i++) {
        unsigned light = 255u - (cmyk[4 * i + 3] ^ flip);
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = ci_ink(cmyk[4 * i + c] ^ flip, light);
    }
}

static inline void ci_palette_to_rgb(const uint8_t *index, const uint8_t (*palette)[3], uint8_t *rgb,
                                     size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = palette[index[i]][c];
    }
}
