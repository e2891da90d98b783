// What other files need from device.cpp.
#pragma once
#include <string>

namespace ct {

// The folder that libtorch_cpu.so came from, with a slash at its end; empty if it cannot be told.
std::string libraryFolder();

// Keeps freed memory in the heap: giving big buffers back to the kernel after every operator
// costs about 7 % of a training step in page faults.
void tuneMalloc() noexcept;

// Loads libtorch_cuda.so from the folder libtorch_cpu.so came from, if it is there. Only
// libtorch_cpu is linked, so that one binary serves both wheels.
void loadCUDA() noexcept;

// Gives the calling thread the count of ct_set_thread_count: OpenMP keeps one for each thread, and a
// thread that has run an operator already would keep an older one. Sums, and so all numbers, depend
// on it.
void useThreadCount() noexcept;

}  // namespace ct
