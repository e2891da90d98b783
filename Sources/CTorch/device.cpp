#include "device.hpp"
#include "guard.hpp"
#include "handles.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <string>

// Declared here: ATen/Parallel.h and ATen/Version.h are heavy.
namespace at {
void set_num_threads(int);
int get_num_threads();
std::string get_cpu_capability();
}  // namespace at

namespace {
std::string cudaProblem = "libtorch was not started";

int32_t threads() noexcept {
    int32_t result = 1;
    ct::guard([&] { result = at::get_num_threads(); });
    return result;
}
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

void useThreads(int32_t count) noexcept {
    // Asked first: libtorch sets a new thread up when it is, with the count that any thread set last.
    thread_local int32_t used = threads();
    const int32_t wanted = count > 0 ? count : ct_thread_count();
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

int32_t ct_thread_count(void) {
    // Set too: until it is, MKL may choose to use fewer, and a run's numbers would depend on the runs beside it.
    static const int32_t count = [] {
        const int32_t found = threads();
        ct::guard([&] { at::set_num_threads(found); });
        return found;
    }();
    return count;
}
