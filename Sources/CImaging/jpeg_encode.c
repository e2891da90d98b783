#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "cimaging.h"

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    char *message;
} encoder_errors;

static void on_error(j_common_ptr codec) {
    encoder_errors *errors = (encoder_errors *)codec->err;
    char text[JMSG_LENGTH_MAX];
    errors->base.format_message(codec, text);
    snprintf(errors->message, CI_MESSAGE, "%s", text);
    longjmp(errors->escape, 1);
}

static void on_message(j_common_ptr codec, int level) {
    (void)codec;
    (void)level;
}

typedef struct {
    struct jpeg_compress_struct codec;
    encoder_errors errors;
    unsigned char *bytes;
    unsigned long size;
} encoder;

int ci_jpeg_encode(const uint8_t *rgb, uint32_t width, uint32_t height, int quality, uint8_t **file,
                   size_t *length, char *message) {
    // On the heap, so that what a longjmp leaves behind is defined.
    encoder *state = calloc(1, sizeof *state);
    if (!state) {
        snprintf(message, CI_MESSAGE, "out of memory");
        return CI_NO_MEMORY;
    }
    struct jpeg_compress_struct *codec = &state->codec;
    codec->err = jpeg_std_error(&state->errors.base);
    state->errors.base.error_exit = on_error;
    state->errors.base.emit_message = on_message;
    state->errors.message = message;
    int status = CI_OK;
    if (setjmp(state->errors.escape) == 0) {
        jpeg_create_compress(codec);
        jpeg_mem_dest(codec, &state->bytes, &state->size);
        codec->image_width = width;
        codec->image_height = height;
        codec->input_components = 3;
        codec->in_color_space = JCS_RGB;
        jpeg_set_defaults(codec);
        jpeg_set_quality(codec, quality, TRUE);
        jpeg_start_compress(codec, TRUE);
        while (codec->next_scanline < height) {
            JSAMPROW row = (JSAMPROW)(rgb + (size_t)codec->next_scanline * width * 3);
            jpeg_write_scanlines(codec, &row, 1);
        }
        jpeg_finish_compress(codec);
    } else {
        status = CI_NO_MEMORY;
    }
    jpeg_destroy_compress(codec);
    if (status == CI_OK) {
        *file = state->bytes;
        *length = state->size;
    } else {
        free(state->bytes);
    }
    free(state);
    return status;
}
