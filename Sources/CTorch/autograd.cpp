#include "guard.hpp"
#include "handles.hpp"

#include <c10/core/GradMode.h>

// Declared here: ATen/autocast_mode.h takes nine seconds to compile. All have plain values only.
namespace at::autocast {
bool is_autocast_enabled(at::DeviceType);
void set_autocast_enabled(at::DeviceType, bool);
at::ScalarType get_autocast_dtype(at::DeviceType);
void set_autocast_dtype(at::DeviceType, at::ScalarType);
int increment_nesting();
int decrement_nesting();
void clear_cache();
}  // namespace at::autocast

bool ct_requires_grad(ct_tensor t) { return ct::impl(t)->requires_grad(); }

ct_status ct_set_requires_grad(ct_tensor t, bool value) {
    return ct::guard([&] {
        ct::check(torch_set_requires_grad(ct::handle(t), value), "setting requires_grad");
    });
}

ct_status ct_grad(ct_tensor t, ct_tensor *out) {
    return ct::guard([&] {
        // An at::Tensor is one pointer; copying it as TensorBase avoids the 9-second header.
        at::TensorBase gradient = reinterpret_cast<const at::TensorBase &>(ct::impl(t)->grad());
        *out = gradient.defined()
                   ? reinterpret_cast<ct_tensor>(gradient.unsafeReleaseTensorImpl())
                   : nullptr;
    });
}

ct_status ct_set_grad(ct_tensor t, ct_tensor gradient) {
    return ct::guard([&] {
        at::TensorBase value;
        if (gradient) {
            value = at::TensorBase(
                c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(
                    ct::impl(gradient)));
        }
        reinterpret_cast<at::TensorBase &>(ct::impl(t)->mutable_grad()) = std::move(value);
    });
}

bool ct_grad_enabled(void) { return c10::GradMode::is_enabled(); }

void ct_set_grad_enabled(bool value) { c10::GradMode::set_enabled(value); }

bool ct_autocast_enabled(int32_t device_type) {
    return at::autocast::is_autocast_enabled(static_cast<at::DeviceType>(device_type));
}

int32_t ct_autocast_dtype(int32_t device_type) {
    return static_cast<int32_t>(
        at::autocast::get_autocast_dtype(static_cast<at::DeviceType>(device_type)));
}

ct_status ct_autocast_begin(int32_t device_type, ct_autocast wanted, ct_autocast *previous) {
    return ct::guard([&] {
        auto device = static_cast<at::DeviceType>(device_type);
        ct_autocast before{
            at::autocast::is_autocast_enabled(device),
            static_cast<int32_t>(at::autocast::get_autocast_dtype(device))};
        at::autocast::increment_nesting();
        at::autocast::set_autocast_enabled(device, wanted.enabled);
        at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(wanted.dtype));
        *previous = before;
    });
}

ct_status ct_autocast_end(int32_t device_type, ct_autocast previous) {
    return ct::guard([&] {
        auto device = static_cast<at::DeviceType>(device_type);
        if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
        at::autocast::set_autocast_enabled(device, previous.enabled);
        at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(previous.dtype));
    });
}
