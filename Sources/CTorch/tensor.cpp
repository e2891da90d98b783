#include "guard.hpp"
#include "handles.hpp"

void ct_retain(ct_tensor t) {
    if (t) c10::raw::intrusive_ptr::incref(ct::impl(t));
}

void ct_release(ct_tensor t) {
    if (t) c10::raw::intrusive_ptr::decref(ct::impl(t));
}

ct_status ct_shape(ct_tensor t, const int64_t **sizes, int32_t *ndim) {
    return ct::guard([&] {
        int64_t *values = nullptr;
        int64_t count = 0;
        ct::check(aoti_torch_get_dim(ct::handle(t), &count), "reading a tensor's rank");
        ct::check(aoti_torch_get_sizes(ct::handle(t), &values), "reading a tensor's sizes");
        *sizes = values;
        *ndim = static_cast<int32_t>(count);
    });
}

ct_status ct_strides(ct_tensor t, const int64_t **strides, int32_t *ndim) {
    return ct::guard([&] {
        int64_t *values = nullptr;
        int64_t count = 0;
        ct::check(aoti_torch_get_dim(ct::handle(t), &count), "reading a tensor's rank");
        ct::check(aoti_torch_get_strides(ct::handle(t), &values), "reading a tensor's strides");
        *strides = values;
        *ndim = static_cast<int32_t>(count);
    });
}

int32_t ct_dtype(ct_tensor t) {
    int32_t value = -1;
    return aoti_torch_get_dtype(ct::handle(t), &value) == AOTI_TORCH_SUCCESS ? value : -1;
}

int32_t ct_device_type(ct_tensor t) {
    int32_t value = -1;
    return aoti_torch_get_device_type(ct::handle(t), &value) == AOTI_TORCH_SUCCESS ? value : -1;
}

int32_t ct_device_index(ct_tensor t) {
    int32_t value = -1;
    return aoti_torch_get_device_index(ct::handle(t), &value) == AOTI_TORCH_SUCCESS ? value : -1;
}

void *ct_data(ct_tensor t) {
    if (ct_device_type(t) == CT_META) return nullptr;
    void *data = nullptr;
    return aoti_torch_get_data_ptr(ct::handle(t), &data) == AOTI_TORCH_SUCCESS ? data : nullptr;
}

ct_status ct_from_memory(
    const void *data, const int64_t *sizes, const int64_t *strides, int32_t ndim, int32_t dtype,
    ct_tensor *out) {
    return ct::guard([&] {
        AtenTensorHandle made = nullptr;
        ct::check(
            aoti_torch_create_tensor_from_blob(
                const_cast<void *>(data), ndim, sizes, strides, 0, dtype,
                aoti_torch_device_type_cpu(), 0, &made),
            "making a tensor from memory");
        // `made` is an at::Tensor on libtorch's heap: keep its reference, delete the shell.
        ct_tensor result = *reinterpret_cast<ct_tensor *>(made);
        c10::raw::intrusive_ptr::incref(ct::impl(result));
        aoti_torch_delete_tensor_object(made);
        *out = result;
    });
}
