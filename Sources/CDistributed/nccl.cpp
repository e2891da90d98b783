// Several GPUs: NCCL's collectives, by the C interface of the libnccl.so.2 that libtorch_cuda.so brings. c10d's class for
// them cannot be compiled without CUDA's headers, and its layout belongs to one version of libtorch.
#include "cdistributed.h"
#include "cuda.hpp"

#include <cstring>
#include <memory>
#include <string>

namespace {

using ct::DeviceGuard;
using ct::Event;
using ct::Runtime;
using ct::symbol;

struct UniqueID {
    char bytes[CT_NCCL_ID_SIZE];
};

struct NCCL {
    int (*makeID)(UniqueID *);
    int (*open)(void **, int, UniqueID, int);
    int (*abort)(void *);
    int (*allReduce)(const void *, void *, size_t, int, int, void *, void *);
    int (*broadcast)(const void *, void *, size_t, int, int, void *, void *);
    const char *(*errorText)(int);

    NCCL()
        : makeID(symbol<int(UniqueID *)>(RTLD_DEFAULT, "ncclGetUniqueId")),
          open(symbol<int(void **, int, UniqueID, int)>(RTLD_DEFAULT, "ncclCommInitRank")),
          abort(symbol<int(void *)>(RTLD_DEFAULT, "ncclCommAbort")),
          allReduce(symbol<int(const void *, void *, size_t, int, int, void *, void *)>(
              RTLD_DEFAULT, "ncclAllReduce")),
          broadcast(symbol<int(const void *, void *, size_t, int, int, void *, void *)>(
              RTLD_DEFAULT, "ncclBroadcast")),
          errorText(symbol<const char *(int)>(RTLD_DEFAULT, "ncclGetErrorString")) {}

    static const NCCL &shared() {
        static const NCCL nccl;
        return nccl;
    }

    void check(int error, const char *what) const {
        TORCH_CHECK(error == 0, what, " with NCCL: ", errorText(error));
    }
};

enum : int { sum = 0 };             // ncclRedOp_t
enum : unsigned { nonBlocking = 1 };  // cudaStreamNonBlocking

/// NCCL's number of c10::ScalarType.
int typeOf(ct_tensor tensor) {
    switch (const int32_t type = ct_dtype(tensor)) {
        case 0: return 1;   // uint8
        case 5: return 6;   // float16
        case 6: return 7;   // float32
        case 7: return 8;   // float64
        case 15: return 9;  // bfloat16
        default: TORCH_CHECK(false, "no sums with NCCL of the scalar type ", type);
    }
}

size_t countOf(ct_tensor tensor) {
    const int64_t *sizes = nullptr;
    int32_t dimensions = 0;
    TORCH_CHECK(ct_shape(tensor, &sizes, &dimensions) == CT_OK, ct_last_error());
    int64_t count = 1;
    for (int32_t i = 0; i < dimensions; ++i) count *= sizes[i];
    return static_cast<size_t>(count);
}

/// A member of a group, and a stream of its own, so that sums run beside the backward pass.
struct Member {
    int32_t device;
    void *communicator = nullptr;
    void *stream = nullptr;

    explicit Member(int32_t device) : device(device) {
        const auto &runtime = Runtime::shared();
        runtime.check(runtime.createStream(&stream, nonBlocking), "making a stream");
    }
    // A group that ends in order has nothing under way; one that lost a process never would: so it
    // is not waited for.
    ~Member() {
        if (communicator) NCCL::shared().abort(communicator);
        Runtime::shared().destroyStream(stream);
    }
    Member(const Member &) = delete;
    Member &operator=(const Member &) = delete;

    /// Enqueues a collective behind what the current stream holds; its end.
    template <class Collective>
    ct_event run(ct_tensor tensor, Collective collective) {
        TORCH_CHECK(
            ct_device_type(tensor) == CT_CUDA && ct_device_index(tensor) == device,
            "NCCL's tensor is not on the group's device");
        const auto &runtime = Runtime::shared();
        const DeviceGuard current(device);
        const Event before(device, runtime.stream(device));
        runtime.check(runtime.waitInStream(stream, before.event, 0), "waiting for an event");
        NCCL::shared().check(
            collective(ct_data(tensor), countOf(tensor), typeOf(tensor)), "a collective");
        return reinterpret_cast<ct_event>(new Event(device, stream));
    }
};

}  // namespace

ct_status ct_nccl_id(uint8_t *id) {
    return ct::guard([&] {
        UniqueID made{};
        NCCL::shared().check(NCCL::shared().makeID(&made), "a group's id");
        std::memcpy(id, made.bytes, sizeof made.bytes);
    });
}

ct_status ct_nccl_open(
    const uint8_t *id, int32_t rank, int32_t size, int32_t device, ct_nccl *out) {
    return ct::guard([&] {
        UniqueID given{};
        std::memcpy(given.bytes, id, sizeof given.bytes);
        const DeviceGuard current(device);
        auto made = std::make_unique<Member>(device);
        const auto &nccl = NCCL::shared();
        nccl.check(nccl.open(&made->communicator, size, given, rank), "joining a group");
        *out = reinterpret_cast<ct_nccl>(made.release());
    });
}

void ct_nccl_close(ct_nccl handle) {
    ct::guard([&] {
        const std::unique_ptr<Member> owner(reinterpret_cast<Member *>(handle));
        const DeviceGuard current(owner->device);
    });
}

ct_status ct_nccl_all_reduce(ct_nccl handle, ct_tensor tensor, ct_event *out) {
    return ct::guard([&] {
        auto &member = *reinterpret_cast<Member *>(handle);
        *out = member.run(tensor, [&](void *data, size_t count, int type) {
            return NCCL::shared().allReduce(
                data, data, count, type, sum, member.communicator, member.stream);
        });
    });
}

ct_status ct_nccl_broadcast(ct_nccl handle, ct_tensor tensor, int32_t root, ct_event *out) {
    return ct::guard([&] {
        auto &member = *reinterpret_cast<Member *>(handle);
        *out = member.run(tensor, [&](void *data, size_t count, int type) {
            return NCCL::shared().broadcast(
                data, data, count, type, root, member.communicator, member.stream);
        });
    });
}
