// A ct_tensor is a c10::TensorImpl with one strong reference. An AtenTensorHandle of libtorch's
// stable C interface is an at::Tensor *, and an at::Tensor is one TensorImpl *; so the address of a
// ct_tensor is a borrowed handle. Metadata goes through that interface: TensorImpl's own inline
// accessors are compiled against one version and read the wrong fields on another.
#pragma once
#include "ctorch.h"

#include <ATen/core/TensorBase.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/c/shim.h>

namespace ct {

static_assert(sizeof(at::TensorBase) == sizeof(ct_tensor));
static_assert(static_cast<int>(c10::DeviceType::CPU) == CT_CPU);
static_assert(static_cast<int>(c10::DeviceType::CUDA) == CT_CUDA);
static_assert(static_cast<int>(c10::DeviceType::Meta) == CT_META);

inline AtenTensorHandle handle(ct_tensor &t) { return reinterpret_cast<AtenTensorHandle>(&t); }

inline c10::TensorImpl *impl(ct_tensor t) { return reinterpret_cast<c10::TensorImpl *>(t); }

// Fails with libtorch's reason when a call of the stable interface failed.
inline void check(AOTITorchError error, const char *what) {
    TORCH_CHECK(error == AOTI_TORCH_SUCCESS, what, " failed");
}

}  // namespace ct
