// What other files need from device.cpp.
#pragma once
#include <string>

namespace ct {

// The folder that libtorch_cpu.so came from, with a slash at its end; empty if it cannot be told.
std::string libraryFolder();

// Loads libtorch_cuda.so from the folder libtorch_cpu.so came from, if it is there. Only
// libtorch_cpu is linked, so that one binary serves both wheels.
void loadCUDA() noexcept;

// Lets the operators of the calling thread use so many threads (0: ct_thread_count). OpenMP keeps a count for
// each thread, which works for one run and then for another. Sums, and so all numbers, depend on it.
void useThreads(int32_t count) noexcept;

}  // namespace ct
