#define _GNU_SOURCE
#include "cprogram.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#endif

#ifdef __GLIBC__
#include <malloc.h>
#endif

const char *program_path(void) {
    static char path[PATH_MAX];
    const ssize_t count = readlink("/proc/self/exe", path, sizeof path - 1);
    if (count <= 0) return "/proc/self/exe";
    path[count] = 0;
    // A program that was replaced meanwhile is still there by that link.
    return access(path, X_OK) == 0 ? path : "/proc/self/exe";
}

void program_let_idle_threads_sleep(char **arguments) {
#ifdef __linux__
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv(program_path(), arguments);
#else
    (void)arguments;
#endif
}

void program_let_gpu_memory_grow(void) {
#ifdef __linux__
    if (getenv("PYTORCH_ALLOC_CONF") || getenv("PYTORCH_CUDA_ALLOC_CONF")) return;
    void *torch = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
    if (!torch) return;
    struct link_map *map = NULL;
    if (dlinfo(torch, RTLD_DI_LINKMAP, &map) == 0) {
        const char *slash = strrchr(map->l_name, '/');
        const int folder = slash ? (int)(slash - map->l_name) : 0;
        char path[PATH_MAX];
        const int count = snprintf(path, sizeof path, "%.*s/libtorch_cuda.so", folder, map->l_name);
        if (slash && count < (int)sizeof path && access(path, R_OK) == 0) {
            setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True", 1);
        }
    }
    dlclose(torch);
#endif
}

void program_tune_malloc(void) {
#ifdef __GLIBC__
    // Old glibc refuses thresholds above 32 MiB.
    if (mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, -1);
    // Threads that make tensors in turn would each keep an arena of the largest ones.
    mallopt(M_ARENA_MAX, 1);
#endif
}

void program_return_free_memory(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
