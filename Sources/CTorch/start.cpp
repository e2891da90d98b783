// Start-up: a few operators whose results are known decide whether this binary fits the libtorch it
// found. The layouts of IValue and Operator are not promised from one version to the next.
#include "device.hpp"
#include "dispatch.hpp"
#include "guard.hpp"
#include "handles.hpp"

#include <torch/headeronly/version.h>

#include <cstdlib>
#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace {

struct Tiles {
    bool areOffered = false, areDescribed = false;
};

Tiles tiles() {
    Tiles found;
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    found.areOffered = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & (1U << 24));
    found.areDescribed = __get_cpuid_count(0x1D, 0, &a, &b, &c, &d) && a > 0;
#endif
    return found;
}

/// Some virtual machines offer AMX but hide the page that tells the shapes of its tiles. oneDNN then
/// sets up no tiles, and its bfloat16 and float16 products end in an illegal instruction.
void avoidHalfHiddenAMX() {
    const Tiles found = tiles();
    if (found.areOffered && !found.areDescribed) {
        setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16", 0);
    }
}

using c10::IValue;

at::Tensor made(const float *values, std::initializer_list<int64_t> sizes) {
    std::vector<int64_t> shape(sizes), strides(sizes);
    int64_t stride = 1;
    for (size_t k = shape.size(); k-- > 0; stride *= shape[k]) strides[k] = stride;
    ct_tensor result = nullptr;
    const auto count = static_cast<int32_t>(shape.size());
    const auto status = ct_from_memory(values, shape.data(), strides.data(), count, 6, &result);
    TORCH_CHECK(status == CT_OK, ct_last_error());
    return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(
        ct::impl(result)));
}

void expect(
    const char *what, const at::Tensor &given, std::initializer_list<int64_t> shape,
    std::initializer_list<float> values) {
    ct_tensor result = reinterpret_cast<ct_tensor>(given.unsafeGetTensorImpl());
    const int64_t *sizes = nullptr;
    int32_t count = 0;
    TORCH_CHECK(ct_shape(result, &sizes, &count) == CT_OK, what, " has no shape");
    TORCH_CHECK(std::vector<int64_t>(sizes, sizes + count) == std::vector<int64_t>(shape), what,
                " gives the wrong shape");
    TORCH_CHECK(ct_dtype(result) == 6, what, " gives the wrong type");
    const auto *data = static_cast<const float *>(ct_data(result));
    TORCH_CHECK(data, what, " gives no data");
    for (float value : values) {
        TORCH_CHECK(std::abs(*data++ - value) < 1e-5F, what, " gives wrong values");
    }
}

at::Tensor run(const char *name, const char *overload, torch::jit::Stack stack) {
    ct::Op op(name, overload);
    for (size_t k = stack.size(); k < op.schema.arguments().size(); k++) {
        stack.emplace_back(*op.schema.arguments()[k].default_value());
    }
    op.run(stack);
    return std::move(stack.at(0)).toTensor();
}

void selfTest() {
    const float x[] = {1, 2, 3, 4}, w[] = {1, 0, 1, 1, 2, -1}, b[] = {0.5F, 0, -1};
    expect("adding", run("aten::add", "Tensor", {made(x, {2, 2}), made(w, {2, 2})}), {2, 2},
           {2, 2, 4, 5});
    expect("linear",
           run("aten::linear", "", {made(x, {2, 2}), made(w, {3, 2}), made(b, {3})}), {2, 3},
           {1.5F, 3, -1, 3.5F, 7, 1});
    expect("layer norm",
           run("aten::layer_norm", "", {made(x, {2, 2}), c10::IntArrayRef({2})}), {2, 2},
           {-0.99998F, 0.99998F, -0.99998F, 0.99998F});
    expect("concatenating",
           run("aten::cat", "",
               {c10::List<at::Tensor>({made(x, {2, 2}), made(b, {1, 2})}), int64_t{0}}),
           {3, 2}, {1, 2, 3, 4, 0.5F, 0});

    // d/da sum(a · a) = 2a, through a tensor that owns its memory.
    at::Tensor a = run("aten::clone", "", {made(x, {4})});
    ct_tensor leaf = reinterpret_cast<ct_tensor>(a.unsafeGetTensorImpl());
    TORCH_CHECK(ct_set_requires_grad(leaf, true) == CT_OK, ct_last_error());
    at::Tensor sum = run("aten::sum", "", {run("aten::mul", "Tensor", {a, a})});
    ct::Op backward("aten::_backward", "");
    torch::jit::Stack stack{sum, c10::List<at::Tensor>(), IValue(), false, false};
    backward.run(stack);
    ct_tensor gradient = nullptr;
    TORCH_CHECK(ct_grad(leaf, &gradient) == CT_OK && gradient, "a gradient is missing");
    at::Tensor held(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(
        ct::impl(gradient)));
    expect("differentiating", held, {4}, {2, 4, 6, 8});
}

struct Outcome {
    ct_status status;
    std::string message;
};

Outcome start() noexcept {
    avoidHalfHiddenAMX();
    ct_thread_count();  // before the first operator
    ct::loadCUDA();
    ct_status status = ct::guard(selfTest);
    if (status == CT_OK) return {CT_OK, ""};
    if (status == CT_OUT_OF_MEMORY) return {status, std::string("libtorch cannot start: ") + ct_last_error()};
    return {CT_FAILED, std::string("libtorch ") + ct_version() +
                           " does not fit this program, which was built for libtorch " +
                           ct_build_version() + ": " + ct_last_error()};
}

}  // namespace

bool ct_has_matrix_tiles(void) {
    static const Tiles found = tiles();
    return found.areOffered && found.areDescribed;
}

ct_status ct_start(void) {
    static const Outcome outcome = start();
    return outcome.status == CT_OK ? CT_OK : ct::failed(outcome.message);
}

const char *ct_version(void) {
    static const std::string text = [] {
        const uint64_t version = aoti_torch_abi_version();
        return std::to_string(version >> 56) + "." + std::to_string((version >> 48) & 255) + "." +
               std::to_string((version >> 40) & 255);
    }();
    return text.c_str();
}

const char *ct_build_version(void) {
    static const std::string text = std::to_string(TORCH_VERSION_MAJOR) + "." +
                                    std::to_string(TORCH_VERSION_MINOR) + "." +
                                    std::to_string(TORCH_VERSION_PATCH);
    return text.c_str();
}
