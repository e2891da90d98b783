#include "cprogram.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/resource.h>
#endif
#include <unistd.h>

namespace {

[[noreturn]] void end(const char *text, size_t count) {
    // Nobody is left to tell whether it could be written.
    if (write(STDERR_FILENO, text, count) < 0) _exit(1);
    _exit(1);
}

[[noreturn]] void endWithoutMemory() {
    static const char text[] =
        "Error: out of memory: the system gives no more (see ulimit -v). What was saved is whole: the same "
        "command continues\n";
    end(text, sizeof text - 1);
}

struct sigaction before[NSIG];

void explain(int number) {
    // Whoever traps for want of memory has just been refused it.
    if (errno == ENOMEM) endWithoutMemory();
    sigaction(number, &before[number], nullptr);
    raise(number);
}

// The program itself ends by _exit: who calls exit is a library that gave up, such as libgomp, to which the system
// gave no thread. It has said so in its own words.
void explainExit() {
    static const char text[] =
        "Error: out of memory or threads: the system gives no more (see ulimit -v and ulimit -u). What was saved is "
        "whole: the same command continues\n";
    end(text, sizeof text - 1);
}

std::terminate_handler terminateBefore;

[[noreturn]] void terminated() {
    try {
        if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
    } catch (const std::bad_alloc &) {
        endWithoutMemory();
    } catch (...) {
    }
    terminateBefore();
    _exit(1);
}

#ifdef __linux__
/// What a run of the smallest network takes above the mapped libraries: measured 118 MiB in training, 92 MiB in
/// labelling.
constexpr size_t startBytes = size_t{120} << 20;

void requireRoom(int, char **, char **) {
    rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    void *room = mmap(
        nullptr, startBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room != MAP_FAILED) {
        munmap(room, startBytes);
        return;
    }
    static const char text[] =
        "Error: out of memory: the address space is limited (ulimit -v) and has no room for libtorch\n";
    end(text, sizeof text - 1);
}

// The libraries' own constructors, of which libtorch's trap without memory, come after this.
__attribute__((section(".preinit_array"), used)) void (*const first)(int, char **, char **) =
    requireRoom;
#endif

}  // namespace

void program_explain_lost_memory(void) {
    terminateBefore = std::set_terminate(terminated);
    std::atexit(explainExit);
    struct sigaction action = {};
    action.sa_handler = explain;
    action.sa_flags = SA_NODEFER | SA_ONSTACK;
    for (int number : {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS}) {
        sigaction(number, &action, &before[number]);
    }
}
