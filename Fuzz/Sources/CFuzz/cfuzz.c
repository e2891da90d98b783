#include "cfuzz.h"

#include <fcntl.h>
#include <sanitizer/allocator_interface.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_llong live, peak;
static long long live_before;
static double cpu_before;

static void on_malloc(const volatile void *memory, size_t size) {
    (void)size;
    long long size_now = (long long)__sanitizer_get_allocated_size(memory);
    long long now = atomic_fetch_add_explicit(&live, size_now, memory_order_relaxed) + size_now;
    long long most = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now)) {
    }
}

static void on_free(const volatile void *memory) {
    if (!memory) return;
    long long size = (long long)__sanitizer_get_allocated_size(memory);
    atomic_fetch_sub_explicit(&live, size, memory_order_relaxed);
}

static double cpu_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void set_timers(int cpu_limit, int wall_limit) {
    struct itimerval cpu = {.it_value = {.tv_sec = cpu_limit}};
    struct itimerval wall = {.it_value = {.tv_sec = wall_limit}};
    setitimer(ITIMER_PROF, &cpu, NULL);
    setitimer(ITIMER_REAL, &wall, NULL);
}

cf_state *cf_state_open(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return NULL;
    void *memory = MAP_FAILED;
    if (ftruncate(file, sizeof(cf_state)) == 0) {
        memory = mmap(NULL, sizeof(cf_state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

void cf_begin(cf_state *state, uint64_t index, int cpu_limit, int wall_limit) {
    static int is_watching = 0;
    if (!is_watching) {
        is_watching = 1;
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
    state->index = index;
    state->is_reading = 1;
    live_before = atomic_load(&live);
    atomic_store(&peak, live_before);
    cpu_before = cpu_seconds();
    set_timers(cpu_limit, wall_limit);
}

void cf_end(cf_state *state, int accepted) {
    double seconds = cpu_seconds() - cpu_before;
    long long most = atomic_load(&peak) - live_before;
    set_timers(0, 0);
    if (seconds > state->slowest) {
        state->slowest = seconds;
        state->slowest_index = state->index;
    }
    if (most > 0 && (uint64_t)most > state->largest) {
        state->largest = (uint64_t)most;
        state->largest_index = state->index;
    }
    state->accepted += accepted != 0;
    state->rejected += accepted == 0;
    state->is_reading = 0;
}

const uint8_t *cf_guarded(const uint8_t *bytes, size_t count) {
    static uint8_t *end = NULL;
    if (!end) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *memory = mmap(NULL, CF_GUARD_CAPACITY + page, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) cf_fail("no memory for the guard page");
        end = memory + CF_GUARD_CAPACITY;
        if (mprotect(end, page, PROT_NONE) != 0) cf_fail("no guard page");
    }
    if (count > CF_GUARD_CAPACITY) return NULL;
    if (count > 0) memcpy(end - count, bytes, count);
    return end - count;
}

void cf_fail(const char *message) {
    fprintf(stderr, "fuzz: %s\n", message);
    fflush(stderr);
    _exit(70);
}
