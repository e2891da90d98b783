#include "tiff_source.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "convert.h"

static tmsize_t source_read(thandle_t handle, void *target, tmsize_t count) {
    ci_tiff_source *input = handle;
    uint64_t left = input->position < input->length ? input->length - input->position : 0;
    uint64_t taken = (uint64_t)count < left ? (uint64_t)count : left;
    memcpy(target, input->data + input->position * (taken > 0), taken);
    input->position += taken;
    return (tmsize_t)taken;
}

static tmsize_t source_write(thandle_t handle, void *bytes, tmsize_t count) {
    (void)handle;
    (void)bytes;
    (void)count;
    return -1;
}

static toff_t source_seek(thandle_t handle, toff_t offset, int whence) {
    ci_tiff_source *input = handle;
    if (whence == SEEK_CUR) offset += input->position;
    if (whence == SEEK_END) offset += input->length;
    input->position = offset;
    return offset;
}

static toff_t source_size(thandle_t handle) { return ((ci_tiff_source *)handle)->length; }

static int on_error(TIFF *tiff, void *context, const char *module, const char *format, va_list args) {
    (void)tiff;
    (void)module;
    char *message = context;
    if (message[0] == 0) vsnprintf(message, CI_MESSAGE, format, args);
    return 1;
}

// Options for each file came with libtiff 4.5. CI builds the other half with OLD_LIBTIFF=1 (Package.swift).
#ifndef CI_TIFF_OPTIONS
#define CI_TIFF_OPTIONS (TIFFLIB_VERSION >= 20221213)
#endif

#if CI_TIFF_OPTIONS

static int on_warning(TIFF *tiff, void *context, const char *module, const char *format,
                      va_list args) {
    (void)tiff;
    (void)context;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static int source_close(thandle_t handle) {
    (void)handle;
    return 0;
}

TIFF *ci_tiff_open(ci_tiff_source *input) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 30);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, input->message);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, NULL);
    TIFF *tiff = TIFFClientOpenExt("image", "rm", input, source_read, source_write, source_seek,
                                   source_close, source_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

#else

// Before, libtiff had handlers for the whole process only. They are ours from the first file on, keep the errors of our own
// files and are silent otherwise. There is no limit on one allocation, either.
static _Thread_local ci_tiff_source *current;

static void keep_error(thandle_t handle, const char *module, const char *format, va_list args) {
    if (current && handle == current) on_error(NULL, current->message, module, format, args);
}

static void set_handlers(void) {
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(keep_error);
    TIFFSetWarningHandler(NULL);
}

static int source_close(thandle_t handle) {
    (void)handle;
    current = NULL;
    return 0;
}

TIFF *ci_tiff_open(ci_tiff_source *input) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
    current = input;
    TIFF *tiff = TIFFClientOpen("image", "rm", input, source_read, source_write, source_seek,
                                source_close, source_size, NULL, NULL);
    if (!tiff) current = NULL;
    return tiff;
}

#endif
