// Several processes: Gloo's collectives between hosts' memories. These classes and those of store.cpp are called
// through their virtual functions, whose order changes from one libtorch to the next; so unlike the rest of
// the shim both files run on the version they were compiled for only, and say so.
#include "cdistributed.h"
#include "guard.hpp"
#include "handles.hpp"
#include "store.hpp"

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

using std::chrono::milliseconds;

struct Group {
    c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

struct Work {
    c10::intrusive_ptr<c10d::Work> work;
};

c10d::ProcessGroupGloo &backend(ct_group handle) { return *reinterpret_cast<Group *>(handle)->gloo; }

std::vector<at::Tensor> borrowed(ct_tensor t) {
    return {at::Tensor(
        c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(ct::impl(t)))};
}

void give(c10::intrusive_ptr<c10d::Work> work, ct_work *out) {
    *out = reinterpret_cast<ct_work>(new Work{std::move(work)});
}

std::string minorVersion(const char *version) {
    const std::string text = version;
    return text.substr(0, text.rfind('.'));
}

// This machine's address on the way to `host`; "" when there is none. What a machine's own name
// resolves to is often 127.0.1.1, which no other machine reaches.
std::string addressToward(const std::string &host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo *found = nullptr;
    if (getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
    std::string address;
    for (const addrinfo *each = found; each && address.empty(); each = each->ai_next) {
        const int probe = socket(each->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_storage own{};
        socklen_t length = sizeof own;
        char text[NI_MAXHOST];
        // Connecting a datagram socket sends nothing.
        if (probe >= 0 && connect(probe, each->ai_addr, each->ai_addrlen) == 0 &&
            getsockname(probe, reinterpret_cast<sockaddr *>(&own), &length) == 0 &&
            getnameinfo(
                reinterpret_cast<sockaddr *>(&own), length, text, sizeof text, nullptr, 0,
                NI_NUMERICHOST) == 0) {
            address = text;
        }
        if (probe >= 0) close(probe);
    }
    freeaddrinfo(found);
    return address;
}

}  // namespace

ct_status ct_distributed_check(void) {
    if (ct_start() != CT_OK) return CT_FAILED;
    if (minorVersion(ct_version()) == minorVersion(ct_build_version())) return CT_OK;
    return ct::failed(
        std::string("several processes need the libtorch that this program was built for, ") +
        ct_build_version() + "; found " + ct_version() +
        ". One process runs with both; or build with TORCH_DIR naming this libtorch");
}

ct_status ct_group_open(
    ct_store handle, const char *prefix, int32_t rank, int32_t size, int64_t timeout,
    ct_group *out) {
    return ct::guard([&] {
        using c10d::ProcessGroupGloo;
        c10::intrusive_ptr<ProcessGroupGloo::Options> options;
        const std::string address = addressToward(ct::hostOf(handle));
        if (std::getenv("GLOO_SOCKET_IFNAME") || address.empty()) {
            options = ProcessGroupGloo::Options::create_default(milliseconds(timeout));
        } else {
            options = ProcessGroupGloo::Options::create(milliseconds(timeout));
            options->devices.push_back(ProcessGroupGloo::createDeviceForHostname(address));
        }
        auto own = c10::make_intrusive<c10d::PrefixStore>(std::string(prefix), ct::sealed(handle));
        *out = reinterpret_cast<ct_group>(
            new Group{c10::make_intrusive<ProcessGroupGloo>(own, rank, size, options)});
    });
}

void ct_group_close(ct_group handle) {
    ct::guard([&] { delete reinterpret_cast<Group *>(handle); });
}

ct_status ct_all_reduce(ct_group handle, ct_tensor tensor, ct_work *out) {
    return ct::guard([&] {
        std::vector<at::Tensor> tensors = borrowed(tensor);
        give(backend(handle).allreduce(tensors, c10d::AllreduceOptions()), out);
    });
}

ct_status ct_broadcast(ct_group handle, ct_tensor tensor, int32_t root, ct_work *out) {
    return ct::guard([&] {
        std::vector<at::Tensor> tensors = borrowed(tensor);
        c10d::BroadcastOptions options;
        options.rootRank = root;
        give(backend(handle).broadcast(tensors, options), out);
    });
}

ct_status ct_wait(ct_work handle) {
    const std::unique_ptr<Work> owned(reinterpret_cast<Work *>(handle));
    return ct::guard([&] { owned->work->wait(); });
}
