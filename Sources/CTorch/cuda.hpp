// CUDA's runtime as far as the shim uses it. Nothing of CUDA is linked: the functions are found by name in the
// libraries that libtorch_cuda.so brought.
#pragma once
#include "guard.hpp"
#include "handles.hpp"

#include <dlfcn.h>

#include <string>

namespace ct {

template <class Function>
Function *symbol(void *library, const char *name) {
    auto *found = reinterpret_cast<Function *>(dlsym(library, name));
    TORCH_CHECK(found, "CUDA's libraries have no ", name);
    return found;
}

/// CUDA's runtime, as far as it is used here. Its types are pointers and ints.
struct Runtime {
    int (*createEvent)(void **, unsigned);
    int (*recordEvent)(void *, void *);
    int (*waitForEvent)(void *);
    int (*elapsed)(float *, void *, void *);
    int (*destroyEvent)(void *);
    int (*createStream)(void **, unsigned);
    int (*waitInStream)(void *, void *, unsigned);
    int (*destroyStream)(void *);
    int (*attribute)(int *, int, int);
    int (*free)(void *);
    const char *(*errorText)(int);
    AOTITorchError (*currentStream)(int32_t, void **);
    AOTITorchError (*makeGuard)(int32_t, void **);
    AOTITorchError (*deleteGuard)(void *);

    Runtime()
        : createEvent(symbol<int(void **, unsigned)>(RTLD_DEFAULT, "cudaEventCreateWithFlags")),
          recordEvent(symbol<int(void *, void *)>(RTLD_DEFAULT, "cudaEventRecord")),
          waitForEvent(symbol<int(void *)>(RTLD_DEFAULT, "cudaEventSynchronize")),
          elapsed(symbol<int(float *, void *, void *)>(RTLD_DEFAULT, "cudaEventElapsedTime")),
          destroyEvent(symbol<int(void *)>(RTLD_DEFAULT, "cudaEventDestroy")),
          createStream(symbol<int(void **, unsigned)>(RTLD_DEFAULT, "cudaStreamCreateWithFlags")),
          waitInStream(symbol<int(void *, void *, unsigned)>(RTLD_DEFAULT, "cudaStreamWaitEvent")),
          destroyStream(symbol<int(void *)>(RTLD_DEFAULT, "cudaStreamDestroy")),
          attribute(symbol<int(int *, int, int)>(RTLD_DEFAULT, "cudaDeviceGetAttribute")),
          free(symbol<int(void *)>(RTLD_DEFAULT, "cudaFree")),
          errorText(symbol<const char *(int)>(RTLD_DEFAULT, "cudaGetErrorString")),
          currentStream(symbol<AOTITorchError(int32_t, void **)>(
              RTLD_DEFAULT, "aoti_torch_get_current_cuda_stream")),
          makeGuard(symbol<AOTITorchError(int32_t, void **)>(
              RTLD_DEFAULT, "aoti_torch_create_cuda_guard")),
          deleteGuard(
              symbol<AOTITorchError(void *)>(RTLD_DEFAULT, "aoti_torch_delete_cuda_guard")) {}

    static Runtime &shared() {
        static Runtime runtime;
        return runtime;
    }

    void check(int error, const char *what) const {
        TORCH_CHECK(error == 0, "CUDA error: ", errorText(error), " (", what, ")");
    }

    void *stream(int32_t device) const {
        void *found = nullptr;
        ct::check(currentStream(device, &found), "finding the current stream");
        return found;
    }
};

/// Makes a device the current one of the thread.
class DeviceGuard {
  public:
    explicit DeviceGuard(int32_t device) {
        ct::check(Runtime::shared().makeGuard(device, &guard), "choosing a device");
    }
    ~DeviceGuard() { Runtime::shared().deleteGuard(guard); }
    DeviceGuard(const DeviceGuard &) = delete;
    DeviceGuard &operator=(const DeviceGuard &) = delete;

  private:
    void *guard = nullptr;
};

/// A point in a stream of the current device.
struct Event {
    void *event = nullptr;
    int32_t device;

    Event(int32_t device, void *stream) : device(device) {
        const auto &runtime = Runtime::shared();
        runtime.check(runtime.createEvent(&event, 0), "making an event");
        const int error = runtime.recordEvent(event, stream);
        if (error != 0) runtime.destroyEvent(event);
        runtime.check(error, "recording an event");
    }
    ~Event() { Runtime::shared().destroyEvent(event); }
    Event(const Event &) = delete;
    Event &operator=(const Event &) = delete;
};

}  // namespace ct
