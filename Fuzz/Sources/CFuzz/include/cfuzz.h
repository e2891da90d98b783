// What a worker tells its supervisor, and what bounds and measures the reading of one input.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Lies in a mapped file, so that it is there when the worker has died.
typedef struct {
    uint64_t index;  // of the input that is being read
    uint64_t is_reading;
    uint64_t accepted, rejected;
    double slowest;  // processor seconds
    uint64_t slowest_index;
    uint64_t largest;  // bytes of heap in use at once beyond those before
    uint64_t largest_index;
} cf_state;

// Null when the file cannot be mapped. It is never unmapped.
cf_state *cf_state_open(const char *path);

// An input is read between these two. The process dies of SIGPROF after `cpu_limit` seconds of
// processor time and of SIGALRM after `wall_limit` seconds.
void cf_begin(cf_state *state, uint64_t index, int cpu_limit, int wall_limit);
void cf_end(cf_state *state, int accepted);

// A copy of the bytes that ends where readable memory ends: code that the sanitizer does not see
// dies of reading on. Valid until the next call; null for more than CF_GUARD_CAPACITY bytes.
#define CF_GUARD_CAPACITY (1u << 20)
const uint8_t *cf_guarded(const uint8_t *bytes, size_t count);

// Ends the process with a line on stderr.
_Noreturn void cf_fail(const char *message);

// Faults on purpose, to see that each is found. `zero` keeps the compiler from knowing.
int cf_plant_overflow(size_t zero);
int cf_plant_use_after_free(size_t zero);
int cf_plant_undefined(int zero);
void cf_plant_leak(void);
