// The key-value store that the processes of a run share: c10d's TCPStore, with the run's seal.
#include "cdistributed.h"
#include "store.hpp"
#include "guard.hpp"
#include "sealed_store.hpp"

#include <c10/util/Logging.h>

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace {

using std::chrono::milliseconds;
using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

struct Store {
    c10::intrusive_ptr<ct::SealedStore> store;
};

Store &store(ct_store handle) { return *reinterpret_cast<Store *>(handle); }

// What ends an attempt to open a store with another status than CT_FAILED.
struct Refusal {
    ct_status status;
    std::string message;
};

constexpr const char *signKey = "mal";
// A store that is there answers sooner.
constexpr milliseconds patience{1500};

Addresses resolved(const std::string &host, int port, int flags = 0) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    const std::string service = std::to_string(port);
    if (getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &found) != 0) {
        found = nullptr;
    }
    return Addresses(found, freeaddrinfo);
}

bool isLoopback(const sockaddr *address) {
    if (address->sa_family == AF_INET) {
        const auto *four = reinterpret_cast<const sockaddr_in *>(address);
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family != AF_INET6) return false;
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6 *>(address)->sin6_addr);
}

// A socket bound to the address; -1 with errno.
int bound(const addrinfo &address) {
    const int made = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) return -1;
    const int yes = 1, no = 0;
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address.ai_family == AF_INET6) setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (bind(made, address.ai_addr, address.ai_addrlen) == 0) return made;
    const int reason = errno;
    close(made);
    errno = reason;
    return -1;
}

// A socket at the first of the addresses that this machine has; -1 when it has none. With `elsewhere` loopback
// addresses do not count: a machine's own name often stands for one, which no other machine reaches.
int boundToOne(const Addresses &addresses, const std::string &host, int port, bool elsewhere) {
    for (const addrinfo *each = addresses.get(); each; each = each->ai_next) {
        if (elsewhere && isLoopback(each->ai_addr)) continue;
        const int made = bound(*each);
        if (made >= 0) return made;
        if (errno != EADDRINUSE) continue;
        throw Refusal{
            CT_STRANGER, "port " + std::to_string(port) + " of " + host +
                             " is in use: by another run, or by another program; choose another"};
    }
    return -1;
}

// Where the store is served: on one machine at the loopback address, else where `host` is found, and only where
// that is no address of this machine (a name of a router or a service) at all of them.
int listening(const std::string &host, int port, bool local) {
    if (local) {
        const std::string loopback = host == "::1" ? host : "127.0.0.1";
        const int made = boundToOne(resolved(loopback, port), loopback, port, false);
        TORCH_CHECK(made >= 0, "cannot bind ", loopback, ": ", strerror(errno));
        return made;
    }
    const int made = boundToOne(resolved(host, port), host, port, true);
    if (made >= 0) return made;
    for (const char *all : {"::", "0.0.0.0"}) {
        const int open = boundToOne(resolved(all, port, AI_PASSIVE), "this machine", port, false);
        if (open >= 0) return open;
    }
    TORCH_CHECK(false, "cannot bind port ", port, ": ", strerror(errno));
}

uint16_t portOf(int socket) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    TORCH_CHECK(getsockname(socket, reinterpret_cast<sockaddr *>(&address), &length) == 0);
    return ntohs(
        address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6 *>(&address)->sin6_port
                                      : reinterpret_cast<sockaddr_in *>(&address)->sin_port);
}

// Whether anything takes connections there.
bool isTaken(const std::string &host, int port) {
    const Addresses addresses = resolved(host, port);
    for (const addrinfo *each = addresses.get(); each; each = each->ai_next) {
        const int probe = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (probe < 0) continue;
        int error = 0;
        if (connect(probe, each->ai_addr, each->ai_addrlen) != 0) {
            error = errno;
            socklen_t length = sizeof error;
            pollfd wait{probe, POLLOUT, 0};
            if (error == EINPROGRESS && poll(&wait, 1, 1000) == 1) {
                getsockopt(probe, SOL_SOCKET, SO_ERROR, &error, &length);
            }
        }
        close(probe);
        if (error == 0) return true;
    }
    return false;
}

// libtorch's own warnings of broken connections come with stack traces; what is lost, the caller says.
void quietLog() {
    static const bool done = [] {
        setenv("TORCH_CPP_LOG_LEVEL", "ERROR", 0);
        c10::initLogging();
        return true;
    }();
    (void)done;
}

using Connection = c10::intrusive_ptr<c10d::TCPStore>;
using Attempt = std::future<Connection>;

// Connections that nobody answered yet: libtorch waits for an answer without end, so it does on a thread of its
// own, and the next who wants the same connection waits on.
struct Attempts {
    std::mutex mutex;
    std::map<std::string, Attempt> waiting;

    Attempt taken(const std::string &place) {
        const std::lock_guard lock(mutex);
        auto found = waiting.extract(place);
        return found ? std::move(found.mapped()) : Attempt();
    }

    void keep(const std::string &place, Attempt attempt) {
        const std::lock_guard lock(mutex);
        waiting[place] = std::move(attempt);
    }
};
Attempts &attempts = *new Attempts;  // lives as long as its threads

Connection connected(const std::string &host, int port, milliseconds timeout) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.waitWorkers = false;
    options.timeout = timeout;
    const std::string place = host + ":" + std::to_string(port);
    TORCH_CHECK(isTaken(host, port), "nobody listens at ", place);
    Attempt attempt = attempts.taken(place);
    if (!attempt.valid()) {
        std::packaged_task<Connection()> task([host, options] {
            return c10::make_intrusive<c10d::TCPStore>(host, options);
        });
        attempt = task.get_future();
        std::thread(std::move(task)).detach();
    }
    if (attempt.wait_for(std::min(timeout, patience)) != std::future_status::ready) {
        attempts.keep(place, std::move(attempt));
        throw Refusal{CT_NOT_YET, place + " is taken, but no store answers: by another program?"};
    }
    return attempt.get();
}

// Whether the store that was found is the run's, before anything is read from it.
void requireSign(ct::SealedStore &found, const std::string &place, milliseconds timeout) {
    try {
        found.under->wait({signKey}, std::min(timeout, patience));
    } catch (const std::exception &) {
        throw Refusal{CT_NOT_YET, "the store at " + place + " has no sign of a run of mal"};
    }
    if (found.under->get(signKey) == found.sign()) return;
    throw Refusal{
        CT_STRANGER, "the store at " + place + " belongs to another run: its secret (MAL_RUN_SECRET) "
                                               "is another; choose another port"};
}

}  // namespace

c10::intrusive_ptr<c10d::Store> ct::sealed(ct_store handle) { return store(handle).store; }

std::string ct::hostOf(ct_store handle) { return store(handle).store->under->getHost(); }

ct_status ct_store_open(
    const char *host, int32_t port, ct_store_role role, bool local, const void *secret,
    int64_t secret_count, int64_t timeout, ct_store *out) {
    if (ct_distributed_check() != CT_OK) return CT_FAILED;
    Refusal refusal{CT_OK, ""};
    const ct_status status = ct::guard([&] {
        quietLog();
        const std::string key(static_cast<const char *>(secret), secret_count);
        const std::string place = std::string(host) + ":" + std::to_string(port);
        try {
            Connection found;
            if (role == CT_STORE_SERVE) {
                c10d::TCPStoreOptions options;
                const int socket = listening(host, port, local);
                options.isServer = true;
                options.waitWorkers = false;
                options.timeout = milliseconds(timeout);
                options.port = portOf(socket);
                options.masterListenFd = socket;
                found = c10::make_intrusive<c10d::TCPStore>(std::string(host), options);
            } else {
                found = connected(host, port, milliseconds(timeout));
            }
            auto made = std::make_unique<Store>();
            made->store = c10::make_intrusive<ct::SealedStore>(found, key);
            if (role == CT_STORE_JOIN) {
                requireSign(*made->store, place, milliseconds(timeout));
            } else {
                static_cast<c10d::Store &>(*found).set(signKey, made->store->sign());
            }
            *out = reinterpret_cast<ct_store>(made.release());
        } catch (const Refusal &found) {
            refusal = found;
        }
    });
    return refusal.status == CT_OK ? status : ct::failed(refusal.message, refusal.status);
}

void ct_store_close(ct_store handle) {
    ct::guard([&] { delete reinterpret_cast<Store *>(handle); });
}

int32_t ct_store_port(ct_store handle) { return store(handle).store->under->getPort(); }

ct_status ct_store_set(ct_store handle, const char *key, const void *bytes, int64_t count) {
    return ct::guard([&] {
        const auto *start = static_cast<const uint8_t *>(bytes);
        store(handle).store->set(key, std::vector<uint8_t>(start, start + count));
    });
}

ct_status ct_store_get(
    ct_store handle, const char *key, int64_t timeout, const void **bytes, int64_t *count) {
    return ct::guard([&] {
        c10d::Store &base = *store(handle).store;
        try {
            base.wait({key}, milliseconds(timeout));
        } catch (const std::exception &error) {
            // libtorch's message has the key's sealed name.
            TORCH_CHECK(
                !std::strstr(error.what(), "timeout"), "nobody set ", key, " within ", timeout, " ms");
            throw;
        }
        const std::vector<uint8_t> value = base.get(key);
        void *copy = std::malloc(value.size() + 1);
        if (!copy) throw std::bad_alloc();
        std::memcpy(copy, value.data(), value.size());
        *bytes = copy;
        *count = static_cast<int64_t>(value.size());
    });
}

ct_status ct_store_has(ct_store handle, const char *key, bool *out) {
    return ct::guard([&] { *out = store(handle).store->check({key}); });
}

ct_status ct_store_add(ct_store handle, const char *key, int64_t amount, int64_t *out) {
    return ct::guard([&] { *out = store(handle).store->add(key, amount); });
}

void ct_hmac(
    const void *secret, int64_t secret_count, const void *bytes, int64_t count, uint8_t *out) {
    const auto text = [](const void *start, int64_t count) {
        return std::string(static_cast<const char *>(start), count);
    };
    const ct::Digest digest = ct::hmac(text(secret, secret_count), text(bytes, count));
    std::memcpy(out, digest.data(), digest.size());
}
