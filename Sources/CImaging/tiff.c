#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "tiff_source.h"

// The values of an image with 16 bits of grey; measured on a first pass, scaled by on a second.
typedef struct {
    int32_t low, high;
    int is_measured;
} grey_range;

// How samples lie in the file and what they mean.
typedef struct {
    uint32_t width, height;
    grey_range *range;  // NULL clips wide grey
    uint16_t bits, samples, kind, photometric, separate;
    int channels;       // samples used of each pixel: 1, 3 or 4
    int premultiplied;  // the fourth is alpha, already multiplied in
    uint8_t palette[256][3];
} layout;

static uint8_t clip(double value) {
    return value >= 255 ? 255 : value > 0 ? (uint8_t)value : 0;
}

static uint8_t in_range(grey_range *range, int32_t value) {
    if (!range->is_measured) {
        if (value < range->low) range->low = value;
        if (value > range->high) range->high = value;
        return 0;
    }
    int32_t span = range->high > range->low ? range->high - range->low : 1;
    return (uint8_t)(((value - range->low) * 255 + span / 2) / span);
}

// Sample `index` of a row as 8 bits: wide grey is clipped, wide colour keeps its upper byte (Pillow).
static uint8_t sample(const layout *format, const uint8_t *row, size_t index) {
    switch (format->bits) {
        case 8: return row[index];
        case 12: {
            const uint8_t *pair = row + index / 2 * 3;
            unsigned value =
                index % 2 ? (pair[1] & 15u) << 8 | pair[2] : (unsigned)pair[0] << 4 | pair[1] >> 4;
            return value > 255 ? 255 : (uint8_t)value;
        }
        case 16: {
            uint16_t value;
            memcpy(&value, row + 2 * index, 2);
            if (format->channels > 1) return (uint8_t)(value >> 8);
            if (format->range) {
                return in_range(
                    format->range, format->kind == SAMPLEFORMAT_INT ? (int16_t)value : (int32_t)value);
            }
            if (format->kind == SAMPLEFORMAT_INT) return clip((int16_t)value);
            return value > 255 ? 255 : (uint8_t)value;
        }
        case 32: {
            if (format->kind == SAMPLEFORMAT_IEEEFP) {
                float value;
                memcpy(&value, row + 4 * index, 4);
                return clip(value);
            }
            int32_t value;
            memcpy(&value, row + 4 * index, 4);
            return clip(value);
        }
        default: {
            size_t bit = index * format->bits;
            return (uint8_t)(row[bit / 8] >> (8 - format->bits - bit % 8) & ((1 << format->bits) - 1));
        }
    }
}

static void finish_grey(const layout *format, uint8_t *grey, size_t count) {
    uint8_t flip =
        format->photometric == PHOTOMETRIC_MINISWHITE && format->bits <= 8 ? 255 : 0;
    unsigned scale = format->bits >= 8 ? 1 : 255u / ((1u << format->bits) - 1);
    for (size_t i = 0; i < count; i++) grey[i] = (uint8_t)(grey[i] * scale) ^ flip;
}

static void finish_premultiplied(const uint8_t *rgba, uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned alpha = rgba[4 * i + 3];
        for (int c = 0; c < 3; c++) {
            unsigned value = alpha ? 255u * rgba[4 * i + c] / alpha : 0;
            rgb[3 * i + c] = value > 255 ? 255 : (uint8_t)value;
        }
    }
}

// `pixels` holds format->channels bytes for each pixel; grey ones are changed in place.
static void finish_row(const layout *format, uint8_t *pixels, uint8_t *rgb, size_t count) {
    if (format->photometric == PHOTOMETRIC_PALETTE) {
        ci_palette_to_rgb(pixels, format->palette, rgb, count);
    } else if (format->channels == 1) {
        finish_grey(format, pixels, count);
        ci_grey_to_rgb(pixels, rgb, count);
    } else if (format->premultiplied) {
        finish_premultiplied(pixels, rgb, count);
    } else if (format->channels == 4) {
        ci_cmyk_to_rgb(pixels, rgb, count, 0);
    } else {
        memcpy(rgb, pixels, count * 3);
    }
}

static int load_palette(TIFF *tiff, layout *format) {
    uint16_t *colors[3];
    memset(format->palette, 0, sizeof format->palette);  // as Pillow, for entries left out
    if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &colors[0], &colors[1], &colors[2])) return 0;
    for (int i = 0; i < 1 << format->bits; i++) {
        for (int c = 0; c < 3; c++) format->palette[i][c] = (uint8_t)(colors[c][i] >> 8);
    }
    return 1;
}

static int load_layout(TIFF *tiff, layout *format, char *message) {
    uint16_t planar = PLANARCONFIG_CONTIG, extras = 0, *extra_kinds = NULL;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &format->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &format->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format->kind);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &extra_kinds);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &format->photometric)) {
        format->photometric = PHOTOMETRIC_MINISWHITE;
    }
    format->separate = planar == PLANARCONFIG_SEPARATE;
    unsigned bits = format->bits, allowed = 0;
    switch (format->photometric) {
        case PHOTOMETRIC_MINISWHITE:
        case PHOTOMETRIC_MINISBLACK:
            format->channels = 1;
            allowed = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 12 || bits == 16 ||
                      bits == 32;
            break;
        case PHOTOMETRIC_PALETTE:
            format->channels = 1;
            allowed = bits == 1 || bits == 2 || bits == 4 || bits == 8;
            if (allowed && !load_palette(tiff, format)) {
                return ci_fail(message, CI_DAMAGED, "it has no colour map");
            }
            break;
        case PHOTOMETRIC_RGB:
            format->premultiplied = extras > 0 && extra_kinds[0] == EXTRASAMPLE_ASSOCALPHA &&
                                    format->samples >= 4;
            format->channels = format->premultiplied ? 4 : 3;
            allowed = bits == 8 || bits == 16;
            break;
        case PHOTOMETRIC_SEPARATED:
            format->channels = 4;
            allowed = bits == 8 || bits == 16;
            break;
        case PHOTOMETRIC_YCBCR:  // only JPEG, which libtiff turns into RGB
            format->channels = format->samples >= 3 ? 3 : 1;
            allowed = bits == 8;
            break;
        default: break;
    }
    if (format->bits < 32 && format->kind == SAMPLEFORMAT_IEEEFP) allowed = 0;
    if (!allowed || format->samples < format->channels || format->samples > 8) {
        snprintf(message, CI_MESSAGE, "photometric %d with %d samples of %d bits, format %d",
                 format->photometric, format->samples, format->bits, format->kind);
        return CI_UNSUPPORTED;
    }
    return CI_OK;
}

// Memory of one decode; `planes` is used when four separate planes must be brought together.
typedef struct {
    uint8_t *raw;
    uint8_t *row;
    uint8_t *planes;
} buffers;

// Puts `count` pixels of plane `plane` (or of all, interleaved) at (x, y) of the image.
static void place(const layout *format, buffers *memory, const uint8_t *raw, int plane, uint32_t x,
                  uint32_t y, size_t count, uint8_t *rgb) {
    size_t origin = (size_t)y * format->width + x;
    int used = format->channels;
    if (format->separate && used > 1) {
        uint8_t *target = memory->planes ? memory->planes : rgb;
        for (size_t i = 0; i < count; i++) {
            target[(origin + i) * (size_t)used + (size_t)plane] = sample(format, raw, i);
        }
        return;
    }
    size_t step = format->separate ? 1 : format->samples;
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < used; c++) {
            memory->row[i * (size_t)used + (size_t)c] = sample(format, raw, i * step + (size_t)c);
        }
    }
    finish_row(format, memory->row, rgb + origin * 3, count);
}

static int read_tiles(TIFF *tiff, const layout *format, buffers *memory, int plane, uint8_t *rgb) {
    uint32_t tile_width = 0, tile_height = 0;
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
    tmsize_t row_size = TIFFTileRowSize(tiff);
    for (uint32_t y = 0; y < format->height; y += tile_height) {
        for (uint32_t x = 0; x < format->width; x += tile_width) {
            if (TIFFReadTile(tiff, memory->raw, x, y, 0, (uint16_t)plane) < 0) return CI_DAMAGED;
            uint32_t rows = format->height - y < tile_height ? format->height - y : tile_height;
            uint32_t columns = format->width - x < tile_width ? format->width - x : tile_width;
            for (uint32_t i = 0; i < rows; i++) {
                place(format, memory, memory->raw + i * row_size, plane, x, y + i, columns, rgb);
            }
            if (format->width - x <= tile_width) break;
        }
        if (format->height - y <= tile_height) break;
    }
    return CI_OK;
}

static int read_lines(TIFF *tiff, const layout *format, buffers *memory, int plane, uint8_t *rgb) {
    for (uint32_t y = 0; y < format->height; y++) {
        if (TIFFReadScanline(tiff, memory->raw, y, (uint16_t)plane) < 0) return CI_DAMAGED;
        place(format, memory, memory->raw, plane, 0, y, format->width, rgb);
    }
    return CI_OK;
}

// Checks that a row or tile holds what its samples need, and is of a size that fits the image.
static int check_buffer(TIFF *tiff, const layout *format, uint64_t *size, char *message) {
    uint64_t across = format->width, down = 1;
    uint64_t samples = format->separate ? 1 : format->samples;
    if (TIFFIsTiled(tiff)) {
        uint32_t tile_width = 0, tile_height = 0;
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
        across = tile_width;
        down = tile_height;
        uint64_t pixels = (uint64_t)format->width * format->height;
        uint64_t most = 4 * pixels > 1u << 22 ? 4 * pixels : 1u << 22;
        if (across == 0 || down == 0 || across > most / down) {
            return ci_fail(message, CI_DAMAGED, "its tiles are much larger than the image");
        }
    }
    *size = TIFFIsTiled(tiff) ? TIFFTileSize64(tiff) : TIFFScanlineSize64(tiff);
    uint64_t row_size = TIFFIsTiled(tiff) ? TIFFTileRowSize64(tiff) : *size;
    if (row_size < (across * samples * format->bits + 7) / 8 || *size / down < row_size) {
        return ci_fail(message, CI_DAMAGED, "its rows are shorter than its width");
    }
    if (*size > 1u << 30) return ci_fail(message, CI_UNSUPPORTED, "its rows or tiles are too large");
    return CI_OK;
}

static int read_samples(TIFF *tiff, layout *format, uint8_t *rgb, char *message) {
    int status = load_layout(tiff, format, message);
    uint64_t size = 0;
    if (status == CI_OK) status = check_buffer(tiff, format, &size, message);
    if (status != CI_OK) return status;
    size_t channels = (size_t)format->channels;
    size_t pixels = (size_t)format->width * format->height;
    int gathers = format->separate && channels == 4;
    buffers memory = {
        .raw = calloc(1, size),
        .row = malloc(format->width * channels),
        .planes = gathers ? malloc(pixels * channels) : NULL,
    };
    if (!memory.raw || !memory.row || (gathers && !memory.planes)) {
        status = ci_fail(message, CI_NO_MEMORY, "not enough memory");
    }
    int planes = format->separate ? format->channels : 1;
    for (int plane = 0; plane < planes && status == CI_OK; plane++) {
        status = TIFFIsTiled(tiff) ? read_tiles(tiff, format, &memory, plane, rgb)
                                   : read_lines(tiff, format, &memory, plane, rgb);
    }
    if (status == CI_OK && gathers) finish_row(format, memory.planes, rgb, pixels);
    free(memory.raw);
    free(memory.row);
    free(memory.planes);
    return status;
}

// YCbCr that is not JPEG, and JPEG of the old style: libtiff's own conversion, as in Pillow.
static int read_converted(TIFF *tiff, const layout *format, uint8_t *rgb, char *message) {
    TIFFRGBAImage image;
    size_t pixels = (size_t)format->width * format->height;
    char why[1024] = "";
    if (!TIFFRGBAImageOK(tiff, why) || !TIFFRGBAImageBegin(&image, tiff, 1, why)) {
        return ci_fail(message, CI_UNSUPPORTED, why);
    }
    uint32_t *raster = malloc(pixels * 4);
    int status = raster ? CI_OK : ci_fail(message, CI_NO_MEMORY, "not enough memory");
    image.req_orientation = image.orientation;
    if (raster && !TIFFRGBAImageGet(&image, raster, format->width, format->height)) {
        status = CI_DAMAGED;
    }
    for (size_t i = 0; status == CI_OK && i < pixels; i++) {
        rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    free(raster);
    TIFFRGBAImageEnd(&image);
    return status;
}

static int decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                  grey_range *range, char *message) {
    ci_tiff_source input = {.data = data, .length = length, .message = message};
    message[0] = 0;
    TIFF *tiff = ci_tiff_open(&input);
    if (!tiff) {
        return message[0] ? CI_DAMAGED : ci_fail(message, CI_DAMAGED, "its directory is unreadable");
    }
    layout format = {.width = 0, .range = range};
    uint16_t photometric = 0, compression = COMPRESSION_NONE, planar = PLANARCONFIG_CONTIG;
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &format.width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &format.height);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
    int direct = photometric != PHOTOMETRIC_YCBCR;
    if (photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG &&
        planar == PLANARCONFIG_CONTIG) {
        direct = TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    }
    int status;
    if (format.width != width || format.height != height) {
        status = ci_fail(message, CI_DAMAGED, "two headers disagree about its size");
    } else if (!TIFFIsCODECConfigured(compression)) {
        status = ci_fail(message, CI_UNSUPPORTED, "libtiff lacks its compression");
    } else if (direct && compression != COMPRESSION_OJPEG) {
        status = read_samples(tiff, &format, rgb, message);
    } else {
        status = read_converted(tiff, &format, rgb, message);
    }
    // libtiff goes on after a bad code of a fax image, with rows that nobody else reads so.
    int is_fax = compression == COMPRESSION_CCITTRLE || compression == COMPRESSION_CCITTFAX3 ||
                 compression == COMPRESSION_CCITTFAX4 || compression == COMPRESSION_CCITTRLEW;
    if (status == CI_OK && is_fax && message[0]) status = CI_DAMAGED;
    TIFFClose(tiff);
    if (status != CI_OK && message[0] == 0) ci_fail(message, status, "its data cannot be decoded");
    return status;
}

int ci_tiff_decode(const uint8_t *data, size_t length, uint32_t width, uint32_t height, uint8_t *rgb,
                   char *message) {
    return decode(data, length, width, height, rgb, NULL, message);
}

int ci_tiff_decode_scaled(const uint8_t *data, size_t length, uint32_t width, uint32_t height,
                          uint8_t *rgb, char *message) {
    grey_range range = {.low = INT32_MAX, .high = INT32_MIN};
    int status = decode(data, length, width, height, rgb, &range, message);
    if (status != CI_OK || range.low > range.high) return status;
    range.is_measured = 1;
    return decode(data, length, width, height, rgb, &range, message);
}
