// What ct_start needs from device.cpp.
#pragma once

namespace ct {

// Keeps freed memory in the heap: giving big buffers back to the kernel after every operator
// costs about 7 % of a training step in page faults.
void tuneMalloc() noexcept;

// Loads libtorch_cuda.so from the folder libtorch_cpu.so came from, if it is there. Only
// libtorch_cpu is linked, so that one binary serves both wheels.
void loadCUDA() noexcept;

}  // namespace ct
