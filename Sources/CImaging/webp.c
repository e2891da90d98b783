#include <string.h>

#include <webp/decode.h>

#include "convert.h"

static uint32_t little(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

static int status_of(VP8StatusCode code, char *message) {
    switch (code) {
        case VP8_STATUS_OK: return CI_OK;
        case VP8_STATUS_OUT_OF_MEMORY: return ci_fail(message, CI_NO_MEMORY, "not enough memory");
        case VP8_STATUS_NOT_ENOUGH_DATA:
        case VP8_STATUS_SUSPENDED:
            return ci_fail(message, CI_TRUNCATED, "the data ends too early");
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            return ci_fail(message, CI_UNSUPPORTED, "it uses a feature that libwebp lacks");
        default: return ci_fail(message, CI_DAMAGED, "its bitstream is invalid");
    }
}

// Decodes a still image or a frame's data into a region of the canvas that is exactly its size.
static int decode_into(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                       uint8_t *rgb, size_t stride, char *message) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return ci_fail(message, CI_DAMAGED, "libwebp mismatch");
    int status = status_of(WebPGetFeatures(data, length, &config.input), message);
    if (status != CI_OK) return status;
    if ((uint32_t)config.input.width != width || (uint32_t)config.input.height != height) {
        return ci_fail(message, CI_DAMAGED, "two headers disagree about its size");
    }
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = rgb;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (height - 1) + (size_t)width * 3;
    status = status_of(WebPDecode(data, length, &config), message);
    WebPFreeDecBuffer(&config.output);
    return status;
}

static int decode_first_frame(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                              uint8_t *rgb, char *message) {
    size_t position = 12;
    memset(rgb, 0, (size_t)width * height * 3);
    while (length - position >= 8) {
        const uint8_t *chunk = data + position;
        size_t size = little(chunk + 4, 4);
        if (size > length - position - 8) break;
        if (memcmp(chunk, "ANMF", 4) == 0) {
            if (size < 16) return ci_fail(message, CI_DAMAGED, "its first frame has no header");
            uint32_t x = 2 * little(chunk + 8, 3);
            uint32_t y = 2 * little(chunk + 11, 3);
            uint32_t frame_width = little(chunk + 14, 3) + 1;
            uint32_t frame_height = little(chunk + 17, 3) + 1;
            if (x > width || y > height || frame_width > width - x || frame_height > height - y) {
                return ci_fail(message, CI_DAMAGED, "its first frame lies outside the canvas");
            }
            return decode_into(chunk + 24, size - 16, frame_width, frame_height,
                               rgb + ((size_t)y * width + x) * 3, (size_t)width * 3, message);
        }
        size += size & 1;
        if (size > length - position - 8) break;
        position += 8 + size;
    }
    return ci_fail(message, CI_TRUNCATED, "it ends before its first frame");
}

int ci_webp_decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                   char *message) {
    WebPBitstreamFeatures features;
    int status = status_of(WebPGetFeatures(data, length, &features), message);
    if (status != CI_OK) return status;
    if (features.has_animation) {
        return decode_first_frame(data, length, width, height, rgb, message);
    }
    return decode_into(data, length, width, height, rgb, (size_t)width * 3, message);
}
