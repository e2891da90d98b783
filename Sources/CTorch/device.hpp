// What ct_start and cuda.cpp need from device.cpp.
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

}  // namespace ct
