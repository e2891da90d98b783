#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "convert.h"

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    int status;
    char *message;
} error_manager;

typedef struct {
    struct jpeg_progress_mgr base;
    int most_scans;
} scan_counter;

static void stop(j_common_ptr codec, int status) {
    error_manager *errors = (error_manager *)codec->err;
    errors->status = status;
    longjmp(errors->escape, 1);
}

static void on_error(j_common_ptr codec) {
    error_manager *errors = (error_manager *)codec->err;
    char text[JMSG_LENGTH_MAX];
    errors->base.format_message(codec, text);
    snprintf(errors->message, CI_MESSAGE, "%s", text);
    int code = errors->base.msg_code;
    int unsupported = code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION ||
                      code == JERR_CONVERSION_NOTIMPL || code == JERR_ARITH_NOTIMPL ||
                      code == JERR_NOT_COMPILED;
    stop(codec, unsupported              ? CI_UNSUPPORTED
                : code == JERR_OUT_OF_MEMORY ? CI_NO_MEMORY
                                             : CI_DAMAGED);
}

static void on_message(j_common_ptr codec, int level) {
    (void)codec;
    (void)level;
}

// Progressive files may repeat scans at next to no cost in bytes, but each costs a pass over the image.
static void on_progress(j_common_ptr codec) {
    scan_counter *counter = (scan_counter *)codec->progress;
    if (((j_decompress_ptr)codec)->input_scan_number > counter->most_scans) {
        error_manager *errors = (error_manager *)codec->err;
        snprintf(errors->message, CI_MESSAGE, "it has more than %d scans", counter->most_scans);
        stop(codec, CI_DAMAGED);
    }
}

static void source_nothing(j_decompress_ptr codec) { (void)codec; }

static boolean source_fill(j_decompress_ptr codec) {
    ci_fail(((error_manager *)codec->err)->message, CI_TRUNCATED, "the data ends too early");
    stop((j_common_ptr)codec, CI_TRUNCATED);
    return FALSE;
}

static void source_skip(j_decompress_ptr codec, long count) {
    if (count <= 0) return;
    if ((size_t)count > codec->src->bytes_in_buffer) source_fill(codec);
    codec->src->next_input_byte += count;
    codec->src->bytes_in_buffer -= (size_t)count;
}

static void read_rows(j_decompress_ptr codec, uint8_t *rgb) {
    size_t width = codec->output_width;
    JSAMPARRAY scratch = NULL;
    if (codec->output_components != 3) {
        scratch = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE,
                                           codec->output_width * codec->output_components, 1);
    }
    while (codec->output_scanline < codec->output_height) {
        uint8_t *target = rgb + codec->output_scanline * width * 3;
        JSAMPROW row = scratch ? scratch[0] : target;
        jpeg_read_scanlines(codec, &row, 1);
        if (codec->output_components == 1) ci_grey_to_rgb(row, target, width);
        if (codec->output_components == 4) ci_cmyk_to_rgb(row, target, width, 1);
    }
}

int ci_jpeg_decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                   char *message) {
    struct jpeg_decompress_struct codec;
    error_manager errors;
    scan_counter counter;
    struct jpeg_source_mgr source = {
        .next_input_byte = data,
        .bytes_in_buffer = length,
        .init_source = source_nothing,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    memset(&codec, 0, sizeof codec);
    memset(&counter, 0, sizeof counter);
    codec.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = on_error;
    errors.base.emit_message = on_message;
    errors.message = message;
    errors.status = CI_OK;
    if (setjmp(errors.escape)) {
        jpeg_destroy_decompress(&codec);
        return errors.status;
    }
    jpeg_create_decompress(&codec);
    codec.src = &source;
    uint64_t pixels = (uint64_t)width * height + 1;
    uint64_t scans = 4000000000u / pixels;
    counter.most_scans = scans > 500 ? 500 : scans < 32 ? 32 : (int)scans;
    counter.base.progress_monitor = on_progress;
    codec.progress = &counter.base;

    jpeg_read_header(&codec, TRUE);
    if (codec.image_width != width || codec.image_height != height) {
        jpeg_destroy_decompress(&codec);
        return ci_fail(message, CI_DAMAGED, "two headers disagree about its size");
    }
    switch (codec.num_components) {
        case 1: codec.out_color_space = JCS_GRAYSCALE; break;
        case 3: codec.out_color_space = JCS_RGB; break;
        case 4: codec.out_color_space = JCS_CMYK; break;
        default:
            jpeg_destroy_decompress(&codec);
            return ci_fail(message, CI_UNSUPPORTED, "it has neither 1, 3 nor 4 components");
    }
    jpeg_start_decompress(&codec);
    read_rows(&codec, rgb);
    jpeg_finish_decompress(&codec);
    jpeg_destroy_decompress(&codec);
    return CI_OK;
}
