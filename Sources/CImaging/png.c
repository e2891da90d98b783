#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "convert.h"

// What must outlive a longjmp lives in these two structures.
typedef struct {
    const uint8_t *data;
    size_t length;
    size_t position;
    png_infop info;
    uint8_t *scratch;
    char *message;
    int status;
} reader;

static void on_error(png_structp png, png_const_charp text) {
    reader *input = png_get_error_ptr(png);
    if (input->status == CI_OK) input->status = ci_fail(input->message, CI_DAMAGED, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
    reader *input = png_get_io_ptr(png);
    if (count > input->length - input->position) {
        input->status = CI_TRUNCATED;
        png_error(png, "the data ends too early");
    }
    memcpy(target, input->data + input->position, count);
    input->position += count;
}

typedef struct {
    int color_type;
    int depth;
    uint8_t palette[256][3];
} layout;

static void load_layout(png_structp png, png_infop info, layout *format) {
    png_colorp colors = NULL;
    int count = 0;
    format->color_type = png_get_color_type(png, info);
    format->depth = png_get_bit_depth(png, info);
    memset(format->palette, 0, sizeof format->palette);  // as Pillow, for entries left out
    if (png_get_PLTE(png, info, &colors, &count)) {
        for (int i = 0; i < count && i < 256; i++) {
            format->palette[i][0] = colors[i].red;
            format->palette[i][1] = colors[i].green;
            format->palette[i][2] = colors[i].blue;
        }
    }
}

// 16-bit grey is clipped to 255 and 16-bit colour keeps its upper byte: this is what Pillow does.
static void convert_row(const layout *format, const uint8_t *row, uint8_t *rgb, size_t count) {
    int wide = format->depth == 16;
    switch (format->color_type) {
        case PNG_COLOR_TYPE_GRAY: {
            unsigned scale = format->depth >= 8 ? 1 : 255u / ((1u << format->depth) - 1);
            for (size_t i = 0; i < count; i++) {
                unsigned value = wide ? (row[2 * i] ? 255 : row[2 * i + 1]) : row[i] * scale;
                rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (uint8_t)value;
            }
            break;
        }
        case PNG_COLOR_TYPE_GRAY_ALPHA: {
            size_t step = wide ? 4 : 2;
            for (size_t i = 0; i < count; i++) {
                rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = row[step * i];
            }
            break;
        }
        case PNG_COLOR_TYPE_PALETTE:
            ci_palette_to_rgb(row, format->palette, rgb, count);
            break;
        default: {
            size_t width = wide ? 2 : 1;
            size_t step = width * (format->color_type == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : 3);
            for (size_t i = 0; i < count; i++) {
                for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = row[step * i + c * width];
            }
        }
    }
}

static void read_image(png_structp png, png_infop info, reader *input, uint32_t width,
                       uint32_t height, uint8_t *rgb) {
    layout format;
    png_read_info(png, info);
    if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height) {
        png_error(png, "two headers disagree about its size");
    }
    load_layout(png, info, &format);
    png_set_packing(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row_bytes = png_get_rowbytes(png, info);
    size_t rows = passes > 1 ? height : 1;
    int direct = format.color_type == PNG_COLOR_TYPE_RGB && format.depth == 8;
    if (!direct) {
        input->scratch = row_bytes > SIZE_MAX / rows ? NULL : calloc(rows, row_bytes);
        if (!input->scratch) {
            input->status = ci_fail(input->message, CI_NO_MEMORY, "not enough memory");
            png_longjmp(png, 1);
        }
    }
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < height; y++) {
            uint8_t *target = rgb + (size_t)y * width * 3;
            uint8_t *row = direct ? target : input->scratch + (passes > 1 ? y * row_bytes : 0);
            png_read_row(png, row, NULL);
            if (!direct && pass == passes - 1) convert_row(&format, row, target, width);
        }
    }
}

static void read_labels(png_structp png, png_infop info, reader *input, uint32_t width,
                        uint32_t height, uint16_t *values) {
    png_read_info(png, info);
    if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height) {
        png_error(png, "two headers disagree about its size");
    }
    int color_type = png_get_color_type(png, info);
    if (color_type != PNG_COLOR_TYPE_GRAY && color_type != PNG_COLOR_TYPE_PALETTE) {
        input->status = ci_fail(input->message, CI_UNSUPPORTED, "colours where labels were expected");
        png_longjmp(png, 1);
    }
    if (png_get_interlace_type(png, info) != PNG_INTERLACE_NONE) {
        input->status = ci_fail(input->message, CI_UNSUPPORTED, "interlaced labels");
        png_longjmp(png, 1);
    }
    int depth = png_get_bit_depth(png, info);
    png_set_packing(png);
    png_read_update_info(png, info);
    size_t row_bytes = png_get_rowbytes(png, info);
    input->scratch = calloc(1, row_bytes);
    if (!input->scratch) {
        input->status = ci_fail(input->message, CI_NO_MEMORY, "not enough memory");
        png_longjmp(png, 1);
    }
    const uint8_t *row = input->scratch;
    for (uint32_t y = 0; y < height; y++) {
        png_read_row(png, input->scratch, NULL);
        uint16_t *target = values + (size_t)y * width;
        for (uint32_t x = 0; x < width; x++) {
            target[x] = depth == 16 ? (uint16_t)(row[2 * x] << 8 | row[2 * x + 1]) : row[x];
        }
    }
}

static void read_mask(png_structp png, png_infop info, reader *input, uint32_t width, uint32_t height,
                      uint8_t *mask) {
    png_read_info(png, info);
    if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height) {
        png_error(png, "two headers disagree about its size");
    }
    png_set_expand(png);
    png_set_strip_16(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t channels = png_get_channels(png, info);
    size_t row_bytes = png_get_rowbytes(png, info);
    size_t rows = passes > 1 ? height : 1;
    input->scratch = row_bytes > SIZE_MAX / rows ? NULL : calloc(rows, row_bytes);
    if (!input->scratch) {
        input->status = ci_fail(input->message, CI_NO_MEMORY, "not enough memory");
        png_longjmp(png, 1);
    }
    size_t first = channels % 2 ? 0 : channels - 1;
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < height; y++) {
            uint8_t *row = input->scratch + (passes > 1 ? y * row_bytes : 0);
            png_read_row(png, row, NULL);
            if (pass < passes - 1) continue;
            for (size_t x = 0; x < width; x++) {
                int is_set = 0;
                for (size_t c = first; c < channels; c++) is_set |= row[x * channels + c];
                mask[y * (size_t)width + x] = is_set != 0;
            }
        }
    }
}

// libpng with our limits, reading `data`; NULL if there is no memory.
static png_structp open_reader(reader *input, uint32_t width, uint32_t height) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, input, on_error, on_warning);
    if (!png) return NULL;
    input->info = png_create_info_struct(png);
    if (!input->info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return NULL;
    }
    // Texts, profiles and the like are skipped unread, so that none can be a decompression bomb.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 8u << 20);
    png_set_user_limits(png, width, height);
    png_set_check_for_invalid_index(png, 0);
    png_set_read_fn(png, input, read_bytes);
    return png;
}

static int close_reader(reader *input, png_structp png, int has_failed) {
    free(input->scratch);
    png_destroy_read_struct(&png, &input->info, NULL);
    if (!has_failed) return CI_OK;
    return input->status == CI_OK ? CI_DAMAGED : input->status;
}

int ci_png_decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                  char *message) {
    reader input = {.data = data, .length = length, .message = message};
    png_structp png = open_reader(&input, width, height);
    if (!png) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    if (setjmp(png_jmpbuf(png))) return close_reader(&input, png, 1);
    read_image(png, input.info, &input, width, height, rgb);
    return close_reader(&input, png, 0);
}

int ci_png_decode_labels(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                         uint16_t *values, char *message) {
    reader input = {.data = data, .length = length, .message = message};
    png_structp png = open_reader(&input, width, height);
    if (!png) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    if (setjmp(png_jmpbuf(png))) return close_reader(&input, png, 1);
    read_labels(png, input.info, &input, width, height, values);
    return close_reader(&input, png, 0);
}

int ci_png_decode_mask(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *mask,
                       char *message) {
    reader input = {.data = data, .length = length, .message = message};
    png_structp png = open_reader(&input, width, height);
    if (!png) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    if (setjmp(png_jmpbuf(png))) return close_reader(&input, png, 1);
    read_mask(png, input.info, &input, width, height, mask);
    return close_reader(&input, png, 0);
}

typedef struct {
    uint8_t *data;
    size_t length;
    size_t capacity;
    png_infop info;
    char *message;
} writer;

static void on_write_error(png_structp png, png_const_charp text) {
    ci_fail(((writer *)png_get_error_ptr(png))->message, CI_DAMAGED, text);
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep source, size_t count) {
    writer *output = png_get_io_ptr(png);
    if (count > output->capacity - output->length) {
        size_t capacity = 2 * output->capacity + count + 4096;
        uint8_t *grown = realloc(output->data, capacity);
        if (!grown) png_error(png, "not enough memory");
        output->data = grown;
        output->capacity = capacity;
    }
    memcpy(output->data + output->length, source, count);
    output->length += count;
}

static void write_nothing(png_structp png) { (void)png; }

// What encoders differ in; `pixels` are `row_bytes` a row.
typedef struct {
    int depth;
    int color_type;
    int level;
    const uint8_t *palette;  // 256 colours, red first; NULL for none
    const uint8_t *pixels;
    size_t row_bytes;
    int repeats_down;
} image_plan;

static int encode(const image_plan *plan, uint32_t width, uint32_t height, uint8_t **file, size_t *length,
                  char *message) {
    writer output = {.message = message};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &output, on_write_error, on_warning);
    if (!png) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    if (setjmp(png_jmpbuf(png))) {
        free(output.data);
        png_destroy_write_struct(&png, &output.info);
        return CI_DAMAGED;
    }
    output.info = png_create_info_struct(png);
    if (!output.info) png_error(png, "not enough memory");
    png_set_write_fn(png, &output, write_bytes, write_nothing);
    png_set_compression_level(png, plan->level);
    png_set_IHDR(png, output.info, width, height, plan->depth, plan->color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (plan->palette) {
        png_color colors[256];
        for (int i = 0; i < 256; i++) {
            colors[i].red = plan->palette[3 * i];
            colors[i].green = plan->palette[3 * i + 1];
            colors[i].blue = plan->palette[3 * i + 2];
        }
        png_set_PLTE(png, output.info, colors, 256);
    }
    png_write_info(png, output.info);
    if (plan->depth == 1) png_set_packing(png);
    if (plan->depth == 16) png_set_swap(png);
    // Labels repeat down the columns; trying every filter on each row takes longer than the rest.
    if (plan->repeats_down) png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
    for (uint32_t y = 0; y < height; y++) png_write_row(png, plan->pixels + y * plan->row_bytes);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &output.info);
    *file = output.data;
    *length = output.length;
    return CI_OK;
}

int ci_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, uint8_t **file,
                  size_t *length, char *message) {
    image_plan plan = {.depth = 8,
                       .color_type = channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                       .level = 4,
                       .pixels = pixels,
                       .row_bytes = (size_t)width * (size_t)channels};
    return encode(&plan, width, height, file, length, message);
}

int ci_png_encode_colors(const uint8_t *rgb, uint32_t width, uint32_t height, uint8_t **file,
                         size_t *length, char *message) {
    image_plan plan = {.depth = 8,
                       .color_type = PNG_COLOR_TYPE_RGB,
                       .level = 1,
                       .pixels = rgb,
                       .row_bytes = (size_t)width * 3,
                       .repeats_down = 1};
    return encode(&plan, width, height, file, length, message);
}

int ci_png_encode_labels(const void *values, uint32_t width, uint32_t height, int depth,
                         const uint8_t *palette, uint8_t **file, size_t *length, char *message) {
    // Large even areas: the fastest level compresses them nearly as well as the best.
    image_plan plan = {.depth = depth,
                       .color_type = palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY,
                       .level = 1,
                       .palette = palette,
                       .pixels = values,
                       .row_bytes = (size_t)width * (depth == 16 ? 2 : 1),
                       .repeats_down = depth == 16};
    return encode(&plan, width, height, file, length, message);
}

void ci_free(void *memory) { free(memory); }
