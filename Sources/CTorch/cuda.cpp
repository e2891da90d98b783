// What operators do not offer of CUDA: events, attributes of a device, kernels compiled at run time. Nothing of
// CUDA is linked; libtorch_cuda.so, once loaded, brings the runtime, and libcaffe2_nvrtc.so beside it NVRTC and
// the driver.
#include "cuda.hpp"
#include "device.hpp"
#include "guard.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

// Declared here: ATen/Context.h takes seconds to compile, and its inline functions are tied to one version.
namespace at {
class Context {
  public:
    void setAllowTF32CuBLAS(bool);
    void setAllowTF32CuDNN(bool);
};
Context &globalContext();
}  // namespace at

namespace {

using ct::DeviceGuard;
using ct::Event;
using ct::Runtime;
using ct::symbol;

/// NVRTC and CUDA's driver.
struct Compiler {
    void *library;
    int (*createProgram)(
        void **, const char *, const char *, int, const char *const *, const char *const *);
    int (*compile)(void *, int, const char *const *);
    int (*logSize)(void *, size_t *);
    int (*log)(void *, char *);
    int (*codeSize)(void *, size_t *);
    int (*code)(void *, char *);
    int (*destroyProgram)(void **);
    const char *(*programErrorText)(int);
    int (*loadModule)(void **, const void *);
    int (*findFunction)(void **, void *, const char *);
    int (*setFunctionAttribute)(void *, int, int);
    int (*launch)(
        void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,
        void **, void **);
    int (*errorText)(int, const char **);

    Compiler() : library(open()) {
        loadBuiltins();
        createProgram = symbol<int(
            void **, const char *, const char *, int, const char *const *, const char *const *)>(
            library, "nvrtcCreateProgram");
        compile = symbol<int(void *, int, const char *const *)>(library, "nvrtcCompileProgram");
        logSize = symbol<int(void *, size_t *)>(library, "nvrtcGetProgramLogSize");
        log = symbol<int(void *, char *)>(library, "nvrtcGetProgramLog");
        codeSize = symbol<int(void *, size_t *)>(library, "nvrtcGetCUBINSize");
        code = symbol<int(void *, char *)>(library, "nvrtcGetCUBIN");
        destroyProgram = symbol<int(void **)>(library, "nvrtcDestroyProgram");
        programErrorText = symbol<const char *(int)>(library, "nvrtcGetErrorString");
        loadModule = symbol<int(void **, const void *)>(library, "cuModuleLoadData");
        findFunction = symbol<int(void **, void *, const char *)>(library, "cuModuleGetFunction");
        setFunctionAttribute = symbol<int(void *, int, int)>(library, "cuFuncSetAttribute");
        launch = symbol<int(
            void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,
            void **, void **)>(library, "cuLaunchKernel");
        errorText = symbol<int(int, const char **)>(library, "cuGetErrorString");
    }

    static void *open() {
        const std::string path = ct::libraryFolder() + "libcaffe2_nvrtc.so";
        void *found = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        const char *reason = found ? "" : dlerror();
        TORCH_CHECK(found, reason ? reason : "cannot load " + path);
        return found;
    }

    /// NVRTC looks for a library of its own by name alone, which the wheels have in a folder where the loader
    /// does not look. Once it is loaded, its name finds it.
    void loadBuiltins() const {
        Dl_info info;
        if (!dladdr(dlsym(library, "nvrtcCreateProgram"), &info) || !info.dli_fname) return;
        std::error_code error;
        const auto folder = std::filesystem::path(info.dli_fname).parent_path();
        for (const auto &entry : std::filesystem::directory_iterator(folder, error)) {
            if (entry.path().filename().string().rfind("libnvrtc-builtins.so", 0) == 0) {
                dlopen(entry.path().c_str(), RTLD_NOW | RTLD_GLOBAL);
            }
        }
    }

    static Compiler &shared() {
        static Compiler compiler;
        return compiler;
    }

    void checkProgram(int error, const char *what) const {
        TORCH_CHECK(error == 0, what, ": ", programErrorText(error));
    }

    void check(int error, const char *what) const {
        const char *reason = nullptr;
        if (error != 0) errorText(error, &reason);
        TORCH_CHECK(
            error == 0, "CUDA error: ", reason ? reason : "an unknown one", " (", what, ")");
    }

    std::vector<char> binary(const char *source, const std::vector<std::string> &options) const {
        void *program = nullptr;
        checkProgram(
            createProgram(&program, source, "kernel.cu", 0, nullptr, nullptr), "NVRTC");
        const auto destroy = [this](void *p) { destroyProgram(&p); };
        const std::unique_ptr<void, decltype(destroy)> owner(program, destroy);
        std::vector<const char *> texts;
        for (const auto &option : options) texts.push_back(option.c_str());
        const int error = compile(program, static_cast<int>(texts.size()), texts.data());
        size_t size = 0;
        if (error != 0) {
            logSize(program, &size);
            std::string text(size, ' ');
            if (size > 0) log(program, text.data());
            TORCH_CHECK(false, "NVRTC: ", programErrorText(error), "\n", text.c_str());
        }
        checkProgram(codeSize(program, &size), "NVRTC's result");
        std::vector<char> result(size);
        checkProgram(code(program, result.data()), "NVRTC's result");
        return result;
    }
};

struct Kernel {
    void *function;
    int32_t device;
    uint32_t sharedByteCount;
};

enum : int { computeMajor = 75, computeMinor = 76, sharedMemoryOptIn = 97 };  // cudaDeviceAttr
enum : int { functionSharedMemory = 8 };  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

int32_t attributeOf(int32_t device, int attribute) {
    int value = 0;
    const auto &runtime = Runtime::shared();
    runtime.check(runtime.attribute(&value, attribute, device), "asking for an attribute");
    return value;
}

int32_t capabilityOf(int32_t device) {
    return attributeOf(device, computeMajor) * 10 + attributeOf(device, computeMinor);
}

}  // namespace

void ct_allow_tf32(bool value) {
    ct::guard([&] {
        at::globalContext().setAllowTF32CuBLAS(value);
        at::globalContext().setAllowTF32CuDNN(value);
    });
}

ct_status ct_cuda_capability(int32_t device, int32_t *out) {
    return ct::guard([&] { *out = capabilityOf(device); });
}

ct_status ct_cuda_shared_memory(int32_t device, int32_t *out) {
    return ct::guard([&] { *out = attributeOf(device, sharedMemoryOptIn); });
}

ct_status ct_event_record(int32_t device, ct_event *out) {
    return ct::guard([&] {
        const DeviceGuard current(device);
        auto made = std::make_unique<Event>(device, Runtime::shared().stream(device));
        *out = reinterpret_cast<ct_event>(made.release());
    });
}

ct_status ct_event_join(ct_event event) {
    return ct::guard([&] {
        const auto &runtime = Runtime::shared();
        const auto &found = *reinterpret_cast<Event *>(event);
        const DeviceGuard current(found.device);
        runtime.check(
            runtime.waitInStream(runtime.stream(found.device), found.event, 0), "waiting for an event");
    });
}

ct_status ct_event_wait(ct_event event) {
    return ct::guard([&] {
        const auto &runtime = Runtime::shared();
        runtime.check(
            runtime.waitForEvent(reinterpret_cast<Event *>(event)->event), "waiting for the device");
    });
}

ct_status ct_event_elapsed(ct_event from, ct_event to, double *seconds) {
    return ct::guard([&] {
        const auto &runtime = Runtime::shared();
        float milliseconds = 0;
        runtime.check(
            runtime.elapsed(
                &milliseconds, reinterpret_cast<Event *>(from)->event,
                reinterpret_cast<Event *>(to)->event),
            "the time between events");
        *seconds = static_cast<double>(milliseconds) / 1000;
    });
}

void ct_event_free(ct_event event) {
    delete reinterpret_cast<Event *>(event);
}

ct_status ct_kernel_make(
    const char *source, const char *name, const char *const *options, int32_t count,
    uint32_t shared_bytes, int32_t device, ct_kernel *out) {
    return ct::guard([&] {
        const auto &runtime = Runtime::shared();
        const auto &compiler = Compiler::shared();
        const DeviceGuard current(device);
        runtime.check(runtime.free(nullptr), "starting the device");
        std::vector<std::string> all(options, options + count);
        all.push_back("--gpu-architecture=sm_" + std::to_string(capabilityOf(device)));
        const std::vector<char> binary = compiler.binary(source, all);
        void *module = nullptr;
        auto made = std::make_unique<Kernel>(Kernel{nullptr, device, shared_bytes});
        compiler.check(compiler.loadModule(&module, binary.data()), "loading a kernel");
        compiler.check(
            compiler.findFunction(&made->function, module, name), "finding a kernel by its name");
        compiler.check(
            compiler.setFunctionAttribute(
                made->function, functionSharedMemory, static_cast<int>(shared_bytes)),
            "giving a kernel shared memory");
        *out = reinterpret_cast<ct_kernel>(made.release());
    });
}

ct_status ct_kernel_launch(
    ct_kernel kernel, uint32_t blocks, uint32_t threads, void **arguments) {
    return ct::guard([&] {
        const auto &found = *reinterpret_cast<Kernel *>(kernel);
        const auto &compiler = Compiler::shared();
        const DeviceGuard current(found.device);
        compiler.check(
            compiler.launch(
                found.function, blocks, 1, 1, threads, 1, 1, found.sharedByteCount,
                Runtime::shared().stream(found.device), arguments, nullptr),
            "launching a kernel");
    });
}
