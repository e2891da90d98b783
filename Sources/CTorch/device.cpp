#include "device.hpp"
#include "guard.hpp"
#include "handles.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

// Declared here: ATen/Parallel.h and ATen/Version.h are heavy.
namespace at {
void set_num_threads(int);
int get_num_threads();
std::string get_cpu_capability();
}  // namespace at

namespace {
std::string cudaProblem = "libtorch was not started";
std::atomic<int32_t> wantedThreads{0};  // 0: libtorch's choice
}  // namespace

namespace ct {

std::string libraryFolder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&aoti_torch_abi_version), &info) || !info.dli_fname) {
        return "";
    }
    std::string path = info.dli_fname;
    return path.substr(0, path.rfind('/') + 1);
}

void tuneMalloc() noexcept {
#ifdef __GLIBC__
    // Old glibc refuses thresholds above 32 MiB.
    if (mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, -1);
    // Threads that make tensors in turn would each keep an arena of the largest ones.
    mallopt(M_ARENA_MAX, 1);
#endif
}

void loadCUDA() noexcept {
    guard([] {
        std::string path = libraryFolder() + "libtorch_cuda.so";
        if (access(path.c_str(), R_OK) != 0) {
            cudaProblem = "this libtorch was built without CUDA (no " + path + ")";
        } else if (!dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) {
            const char *reason = dlerror();
            cudaProblem = reason ? reason : "cannot load " + path;
        } else {
            cudaProblem = "";
        }
    });
}

void useThreadCount() noexcept {
    thread_local int32_t used = 0;
    const int32_t wanted = wantedThreads.load(std::memory_order_relaxed);
    if (wanted == used) return;
    used = wanted;
    guard([&] { at::set_num_threads(wanted); });
}

}  // namespace ct

int32_t ct_cuda_count(void) {
    if (ct_start() != CT_OK || !cudaProblem.empty()) return 0;
    // c10::cuda::device_count() returns 0 instead of throwing when there is no driver.
    using Count = int8_t (*)();
    static Count count =
        reinterpret_cast<Count>(dlsym(RTLD_DEFAULT, "_ZN3c104cuda12device_countEv"));
    int32_t result = 0;
    if (count) ct::guard([&] { result = count(); });
    return result;
}

const char *ct_cuda_problem(void) {
    if (ct_start() != CT_OK) return ct_last_error();
    if (!cudaProblem.empty()) return cudaProblem.c_str();
    return ct_cuda_count() > 0 ? "" : "no CUDA driver or no device was found";
}

const char *ct_cpu_capability(void) {
    static const std::string text = [] {
        std::string found;
        ct::guard([&] { found = at::get_cpu_capability(); });
        return found;
    }();
    return text.c_str();
}

void ct_set_thread_count(int32_t count) {
    wantedThreads.store(count, std::memory_order_relaxed);
    ct::useThreadCount();
}

int32_t ct_thread_count(void) {
    ct::useThreadCount();
    int32_t result = 1;
    ct::guard([&] { result = at::get_num_threads(); });
    return result;
}
