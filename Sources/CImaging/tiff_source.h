#ifndef CI_TIFF_SOURCE_H
#define CI_TIFF_SOURCE_H

#include <stdint.h>

#include <tiffio.h>

// A file in memory. What libtiff says about it first is kept in `message`, of CI_MESSAGE bytes.
typedef struct {
    const uint8_t *data;
    uint64_t length;
    uint64_t position;
    char *message;
} ci_tiff_source;

// Null when it is no TIFF. `input` must outlive what is returned, which TIFFClose closes on the same thread.
TIFF *ci_tiff_open(ci_tiff_source *input);

#endif
