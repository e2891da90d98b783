#include <stdlib.h>

#include "kernels.h"

// One box pass: `lines` are 2 * reach + 3 rows of `count` values, the outermost with the outer weight.
CI_INLINE void box_sum(const uint8_t *const *lines, size_t reach, uint32_t inner_weight,
                       uint32_t outer_weight, size_t count, uint8_t *restrict output) {
    const uint8_t *first = lines[0], *last = lines[2 * reach + 2];
    if (reach == 0) {
        const uint8_t *centre = lines[1];
        for (size_t i = 0; i < count; i++) {
            uint32_t outer = (uint32_t)first[i] + last[i];
            output[i] = (uint8_t)((inner_weight * centre[i] + outer_weight * outer + (1u << 23)) >> 24);
        }
    } else if (reach == 1) {
        const uint8_t *before = lines[1], *centre = lines[2], *after = lines[3];
        for (size_t i = 0; i < count; i++) {
            uint32_t inner = (uint32_t)before[i] + centre[i] + after[i];
            uint32_t outer = (uint32_t)first[i] + last[i];
            output[i] = (uint8_t)((inner_weight * inner + outer_weight * outer + (1u << 23)) >> 24);
        }
    } else {
        uint32_t inner[64];
        for (size_t start = 0; start < count; start += 64) {
            size_t width = count - start < 64 ? count - start : 64;
            memset(inner, 0, sizeof inner);
            for (size_t k = 1; k < 2 * reach + 2; k++) {
                for (size_t i = 0; i < width; i++) inner[i] += lines[k][start + i];
            }
            for (size_t i = 0; i < width; i++) {
                uint32_t outer = (uint32_t)first[start + i] + last[start + i];
                output[start + i] =
                    (uint8_t)((inner_weight * inner[i] + outer_weight * outer + (1u << 23)) >> 24);
            }
        }
    }
}

enum { PASSES = 3 };

typedef struct {
    uint8_t *pixels;
    size_t width, height, reach;
    uint32_t inner_weight, outer_weight;
    uint8_t *padded;         // a row between repeats of its end pixels
    uint8_t *rings[PASSES];  // of each pass down the columns, the input rows that are still needed
    const uint8_t **lines;
} blur;

CI_INLINE void blur_row(const blur *job, uint8_t *row) {
    size_t length = job->width * 3, padding = (job->reach + 1) * 3;
    for (int pass = 0; pass < PASSES; pass++) {
        memcpy(job->padded + padding, row, length);
        for (size_t i = 0; i < padding; i++) {
            job->padded[i] = row[i % 3];
            job->padded[padding + length + i] = row[length - 3 + i % 3];
        }
        for (size_t k = 0; k < 2 * job->reach + 3; k++) job->lines[k] = job->padded + 3 * k;
        box_sum(job->lines, job->reach, job->inner_weight, job->outer_weight, length, row);
    }
}

// Row `centre` of one pass, from the rows of its ring; the image's first and last row are repeated.
CI_INLINE void blur_column_row(const blur *job, int pass, size_t centre, uint8_t *target) {
    size_t length = job->width * 3, reach = job->reach, slots = 2 * reach + 3;
    for (size_t k = 0; k < slots; k++) {
        size_t line = centre + k < reach + 1 ? 0 : centre + k - reach - 1;
        if (line >= job->height) line = job->height - 1;
        job->lines[k] = job->rings[pass] + line % slots * length;
    }
    box_sum(job->lines, reach, job->inner_weight, job->outer_weight, length, target);
}

// All six passes in one walk down the image: each row is blurred along itself, then handed from pass
// to pass as soon as the rows below it, which that pass looks at, are there. So each pass has what it
// needs in its ring, and nothing but the rings is in use.
CI_INLINE void blur_body(const blur *job) {
    size_t length = job->width * 3, slots = 2 * job->reach + 3;
    size_t filled[PASSES] = {0}, done[PASSES] = {0};
    for (size_t y = 0; y < job->height; y++) {
        uint8_t *row = job->pixels + y * length;
        blur_row(job, row);
        memcpy(job->rings[0] + y % slots * length, row, length);
        filled[0]++;
        int pass = 0;
        while (pass >= 0) {
            size_t below = done[pass] + job->reach + 1;
            size_t needed = below < job->height ? below + 1 : job->height;
            if (done[pass] == job->height || filled[pass] < needed) {
                pass--;
                continue;
            }
            int next = pass + 1;
            uint8_t *target = next < PASSES ? job->rings[next] + filled[next] % slots * length
                                            : job->pixels + done[pass] * length;
            blur_column_row(job, pass, done[pass]++, target);
            if (next < PASSES) {
                filled[next]++;
                pass = next;
            }
        }
    }
}
CI_COMPILE(blur, (const blur *job), (job))

int ci_blur(int level, uint8_t *pixels, size_t width, size_t height, size_t reach,
            uint32_t inner_weight, uint32_t outer_weight) {
    size_t length = width * 3, slots = 2 * reach + 3;
    blur job = {
        .pixels = pixels,
        .width = width,
        .height = height,
        .reach = reach,
        .inner_weight = inner_weight,
        .outer_weight = outer_weight,
        .padded = malloc(length + 2 * 3 * (reach + 1)),
        .lines = malloc(slots * sizeof *job.lines),
    };
    uint8_t *rings = malloc(PASSES * slots * length);
    int status = job.padded && job.lines && rings ? CI_OK : CI_NO_MEMORY;
    if (status == CI_OK) {
        for (int pass = 0; pass < PASSES; pass++) job.rings[pass] = rings + pass * slots * length;
        CI_CALL(level, blur, (&job));
    }
    free(job.padded);
    free(job.lines);
    free(rings);
    return status;
}
