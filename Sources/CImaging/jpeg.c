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

// Everything that must outlive a longjmp. `codec` points into itself, so this is not copied.
typedef struct {
    struct jpeg_decompress_struct codec;
    struct jpeg_source_mgr source;
    error_manager errors;
    scan_counter counter;
} reader;

static void open_reader(reader *input, const uint8_t *data, size_t length, uint32_t width,
                        uint32_t height, char *message) {
    memset(input, 0, sizeof *input);
    input->source = (struct jpeg_source_mgr){
        .next_input_byte = data,
        .bytes_in_buffer = length,
        .init_source = source_nothing,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    input->codec.err = jpeg_std_error(&input->errors.base);
    input->errors.base.error_exit = on_error;
    input->errors.base.emit_message = on_message;
    input->errors.message = message;
    input->errors.status = CI_OK;
    uint64_t pixels = (uint64_t)width * height + 1;
    uint64_t scans = 4000000000u / pixels;
    input->counter.most_scans = scans > 500 ? 500 : scans < 32 ? 32 : (int)scans;
    input->counter.base.progress_monitor = on_progress;
}

// Reads the header and chooses what colours come out; a status unless the image can be decoded.
static int start_reader(reader *input, uint32_t width, uint32_t height, char *message) {
    j_decompress_ptr codec = &input->codec;
    jpeg_create_decompress(codec);
    codec->src = &input->source;
    codec->progress = &input->counter.base;
    jpeg_read_header(codec, TRUE);
    if (codec->image_width != width || codec->image_height != height) {
        return ci_fail(message, CI_DAMAGED, "two headers disagree about its size");
    }
    switch (codec->num_components) {
        case 1: codec->out_color_space = JCS_GRAYSCALE; break;
        case 3: codec->out_color_space = JCS_RGB; break;
        case 4: codec->out_color_space = JCS_CMYK; break;
        default: return ci_fail(message, CI_UNSUPPORTED, "it has neither 1, 3 nor 4 components");
    }
    return CI_OK;
}

int ci_jpeg_decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                   char *message) {
    reader input;
    open_reader(&input, data, length, width, height, message);
    if (setjmp(input.errors.escape)) {
        jpeg_destroy_decompress(&input.codec);
        return input.errors.status;
    }
    int status = start_reader(&input, width, height, message);
    if (status == CI_OK) {
        jpeg_start_decompress(&input.codec);
        read_rows(&input.codec, rgb);
        jpeg_finish_decompress(&input.codec);
    }
    jpeg_destroy_decompress(&input.codec);
    return status;
}

#if defined(LIBJPEG_TURBO_VERSION_NUMBER) && LIBJPEG_TURBO_VERSION_NUMBER >= 2001000

// Only what libjpeg-turbo can skip in: one baseline scan, grey or three components. A file that does
// not end with its end marker may be truncated, which only decoding it whole tells.
static int can_skip(j_decompress_ptr codec, const uint8_t *data, size_t length) {
    return codec->num_components <= 3 && !codec->progressive_mode && !codec->arith_code &&
           !jpeg_has_multiple_scans(codec) && length >= 4 && data[length - 2] == 0xFF &&
           data[length - 1] == JPEG_EOI;
}

static int read_region(j_decompress_ptr codec, const ci_rectangle *wanted, uint8_t *rgb) {
    // A block more on every side: chroma is interpolated across the edges of what is decoded.
    JDIMENSION margin = (JDIMENSION)(codec->max_h_samp_factor * DCTSIZE);
    JDIMENSION left = wanted->left > margin ? wanted->left - margin : 0;
    JDIMENSION right = codec->output_width - wanted->right > margin ? wanted->right + margin
                                                                   : codec->output_width;
    JDIMENSION columns = right - left;
    jpeg_crop_scanline(codec, &left, &columns);
    if (left > wanted->left || left + columns < wanted->right) return CI_WHOLE;
    JSAMPARRAY scratch = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE,
                                                  columns * codec->output_components, 1);
    JDIMENSION above = (JDIMENSION)(codec->max_v_samp_factor * DCTSIZE);
    if (wanted->top > above) jpeg_skip_scanlines(codec, wanted->top - above);
    size_t width = wanted->right - wanted->left;
    while (codec->output_scanline < wanted->bottom) {
        JDIMENSION y = codec->output_scanline;
        if (jpeg_read_scanlines(codec, scratch, 1) != 1) return CI_WHOLE;
        if (y < wanted->top) continue;
        uint8_t *target = rgb + (y - wanted->top) * width * 3;
        const uint8_t *row =
            scratch[0] + (size_t)(wanted->left - left) * codec->output_components;
        if (codec->output_components == 1) {
            ci_grey_to_rgb(row, target, width);
        } else {
            memcpy(target, row, width * 3);
        }
    }
    return CI_OK;
}

int ci_jpeg_decode_region(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                          const ci_rectangle *wanted, uint8_t *rgb, char *message) {
    if (wanted->left >= wanted->right || wanted->right > width || wanted->top >= wanted->bottom ||
        wanted->bottom > height) {
        return CI_WHOLE;
    }
    reader input;
    open_reader(&input, data, length, width, height, message);
    if (setjmp(input.errors.escape)) {
        jpeg_destroy_decompress(&input.codec);
        return input.errors.status;
    }
    int status = start_reader(&input, width, height, message);
    if (status == CI_OK && !can_skip(&input.codec, data, length)) status = CI_WHOLE;
    if (status == CI_OK) {
        jpeg_start_decompress(&input.codec);
        status = read_region(&input.codec, wanted, rgb);
    }
    jpeg_destroy_decompress(&input.codec);
    return status;
}

#else

int ci_jpeg_decode_region(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                          const ci_rectangle *wanted, uint8_t *rgb, char *message) {
    (void)data, (void)length, (void)width, (void)height, (void)wanted, (void)rgb, (void)message;
    return CI_WHOLE;
}

#endif
