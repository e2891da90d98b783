#ifndef MAL_MEAN_FIELD_H
#define MAL_MEAN_FIELD_H

// Mean-field updates of one image with 3 × 3 windows (docs/method.md, SPEC §6), vectorised.
//
// Sums run in the order of the window and are rounded after each product, as the tensor version's are:
// the updates amplify what is rounded differently.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

typedef struct cmf_field cmf_field;

/// NULL when there is no memory for it.
///
/// - image: channels × height × width, row-major. probabilities, mask: height × width; without a mask it is 1.
/// - low, high: what probabilities are kept between; 0 < low < high < 1.
cmf_field *_Nullable cmf_make(const float *image, int32_t channels, const float *probabilities,
                              const float *_Nullable mask, int32_t height, int32_t width,
                              float zeta, float low, float high);
void cmf_free(cmf_field *_Nullable field);

/// The rows that updates can change: [first, end). Others keep the low bound.
void cmf_rows(const cmf_field *field, int32_t *first, int32_t *end);

/// Does all updates, or those until nothing changes any more, which gives the same.
void cmf_run(cmf_field *field, int32_t count);

/// One update of some rows. Updates are numbered from 0; all rows of one must be done before any row of
/// the next. Returns whether a probability changed.
int32_t cmf_update(cmf_field *field, int32_t number, int32_t first, int32_t end);

/// height × width probabilities.
void cmf_result(const cmf_field *field, float *probabilities);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
