#include "guard.hpp"

#include <string>

namespace {
thread_local std::string lastError;
}

namespace ct {

ct_status failed(std::string_view message, ct_status status) noexcept {
    // libtorch appends its C++ backtrace to what(); a reader of our messages has no use for it.
    // The accessor without backtrace is inline and so tied to one layout of c10::Error.
    message = message.substr(0, message.find("\nException raised from "));
    message = message.substr(0, message.find("\nframe #0: "));
    const size_t cause = message.find("DefaultCPUAllocator: ");
    if (cause != std::string_view::npos) message.remove_prefix(cause);
    try {
        lastError.assign(message);
    } catch (...) {
        lastError.clear();
    }
    return status;
}

ct_status statusOf(std::string_view message) noexcept {
    for (std::string_view sign :
         {"DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory",
          "CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
          "CUDNN_STATUS_ALLOC_FAILED", "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
          "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED",
          "CUDA_ERROR_OUT_OF_MEMORY", "CUDA driver error: out of memory",
          "CUSOLVER_STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation"}) {
        if (message.find(sign) != std::string_view::npos) return CT_OUT_OF_MEMORY;
    }
    for (std::string_view sign :
         {"CUDA error", "CUDA driver", "CUDA-capable device", "CUBLAS_STATUS_", "CUDNN_STATUS_",
          "CUSOLVER_STATUS_", "CUFFT_", "NVRTC", "No CUDA GPUs", "support for cuda",
          "from the 'CUDA' backend", "not compiled with CUDA"}) {
        if (message.find(sign) != std::string_view::npos) return CT_DEVICE_FAILED;
    }
    return CT_FAILED;
}

}  // namespace ct

bool ct_means_out_of_memory(const char *message) { return ct::statusOf(message) == CT_OUT_OF_MEMORY; }

const char *ct_last_error(void) { return lastError.c_str(); }
