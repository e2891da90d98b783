#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

#include "convert.h"

int ci_inflate(const uint8_t *data, size_t length, size_t limit, uint8_t **output, size_t *count,
               char *message) {
    if (length > UINT_MAX || limit > UINT_MAX / 2) return ci_fail(message, CI_DAMAGED, "it is too long");
    z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)length};
    if (inflateInit(&stream) != Z_OK) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    int status = Z_OK;
    while (status == Z_OK && capacity < limit) {
        size_t grown = capacity ? 2 * capacity : 4096;
        if (grown > limit) grown = limit;
        uint8_t *larger = realloc(buffer, grown);
        if (!larger) break;
        buffer = larger;
        stream.next_out = buffer + capacity;
        stream.avail_out = (uInt)(grown - capacity);
        capacity = grown;
        status = inflate(&stream, Z_NO_FLUSH);
        if (status == Z_BUF_ERROR) status = Z_DATA_ERROR;  // the data ends too early
    }
    *count = stream.total_out;
    inflateEnd(&stream);
    if (status == Z_STREAM_END) {
        *output = buffer;
        return CI_OK;
    }
    free(buffer);
    return status == Z_OK ? ci_fail(message, CI_DAMAGED, "it unpacks to too much")
                          : ci_fail(message, CI_DAMAGED, "no whole zlib data");
}

int ci_deflate(const uint8_t *data, size_t length, uint8_t **output, size_t *count, char *message) {
    uLongf size = compressBound((uLong)length);
    uint8_t *buffer = malloc(size);
    if (!buffer) return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    if (compress2(buffer, &size, data, (uLong)length, 6) != Z_OK) {
        free(buffer);
        return ci_fail(message, CI_NO_MEMORY, "not enough memory");
    }
    *output = buffer;
    *count = size;
    return CI_OK;
}
