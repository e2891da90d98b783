#include "dispatch.hpp"

#include "device.hpp"
#include "guard.hpp"
#include "handles.hpp"

#include <cstdlib>
#include <string>
#include <vector>

using c10::IValue;
using torch::jit::Stack;

namespace ct {

Op::Op(const char *name, const char *overload)
    : jit([&] {
          auto found = torch::jit::findOperatorFor(c10::OperatorName(name, overload));
          TORCH_CHECK(
              found, "this libtorch has no operator ", name, *overload ? "." : "", overload);
          return found;
      }()),
      run(jit->getOperation()),
      schema(jit->schema()) {}

}  // namespace ct

namespace {

// Whether the calling thread may lose memory, and whether it did (see ct_recovery_begin).
enum Recovery : int32_t { off = 0, armed = 1, lost = 2 };
thread_local int32_t recovery = off;
thread_local ct_status recoveryCause = CT_OK;
thread_local std::string recoveryMessage;

at::Tensor borrowed(ct_tensor t) {
    if (!t) return at::Tensor();
    return at::Tensor(
        c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(ct::impl(t)));
}

ct_tensor given(at::Tensor &&t) {
    return t.defined() ? reinterpret_cast<ct_tensor>(t.unsafeReleaseTensorImpl()) : nullptr;
}

// A tensor without memory.
at::Tensor placeholder(c10::IntArrayRef sizes, IValue dtype) {
    static ct::Op empty("aten::empty", "memory_format");
    Stack stack;
    stack.emplace_back(sizes);
    stack.emplace_back(std::move(dtype));
    stack.emplace_back();
    stack.emplace_back(c10::Device(c10::DeviceType::Meta));
    stack.emplace_back();
    stack.emplace_back();
    empty.run(stack);
    return std::move(stack[0]).toTensor();
}

// The tensor an operator sees: itself, or its shape alone once memory was lost.
at::Tensor argument(ct_tensor t) {
    if (recovery != lost || !t) return borrowed(t);
    if (ct_device_type(t) == CT_META) return borrowed(t);
    const int64_t *sizes = nullptr;
    int32_t ndim = 0;
    TORCH_CHECK(ct_shape(t, &sizes, &ndim) == CT_OK, ct_last_error());
    return placeholder(c10::IntArrayRef(sizes, ndim), IValue(int64_t{ct_dtype(t)}));
}

const c10::Type &withoutOptional(const c10::TypePtr &type) {
    const c10::Type *result = type.get();
    while (result->kind() == c10::TypeKind::OptionalType) {
        result = static_cast<const c10::OptionalType *>(result)->getElementType().get();
    }
    return *result;
}

IValue boxed(const ct_value &value, const c10::Argument &expected) {
    if (recovery == lost &&
        withoutOptional(expected.real_type()).kind() == c10::TypeKind::DeviceObjType) {
        return IValue(c10::Device(c10::DeviceType::Meta));
    }
    switch (value.tag) {
        case CT_NONE:
            return IValue();
        case CT_TENSOR:
            return IValue(argument(static_cast<ct_tensor>(const_cast<void *>(value.p))));
        case CT_INT: {
            const auto &type = withoutOptional(expected.real_type());
            if (type.kind() == c10::TypeKind::FloatType) {
                return IValue(static_cast<double>(value.i));
            }
            if (type.kind() == c10::TypeKind::ListType) {  // int[2] stride=3
                return IValue(c10::List<int64_t>(
                    std::vector<int64_t>(expected.N().value_or(1), value.i)));
            }
            return IValue(value.i);
        }
        case CT_DOUBLE:
            return IValue(value.d);
        case CT_BOOL:
            return IValue(value.i != 0);
        case CT_INTS:
            return IValue(c10::IntArrayRef(static_cast<const int64_t *>(value.p), value.n));
        case CT_DOUBLES:
            return IValue(at::ArrayRef<double>(static_cast<const double *>(value.p), value.n));
        case CT_TENSORS: {
            c10::List<at::Tensor> list;
            list.reserve(value.n);
            auto *items = static_cast<const ct_tensor *>(value.p);
            for (int32_t k = 0; k < value.n; k++) list.push_back(argument(items[k]));
            return IValue(std::move(list));
        }
        case CT_DEVICE:
            return IValue(c10::Device(
                static_cast<c10::DeviceType>(value.i), static_cast<c10::DeviceIndex>(value.n)));
        case CT_TEXT:
            return IValue(std::string(static_cast<const char *>(value.p), value.n));
        case CT_NO_ITEMS: {
            const auto &type = withoutOptional(expected.real_type());
            TORCH_CHECK(
                type.kind() == c10::TypeKind::ListType, "argument '", expected.name(),
                "' is not a list");
            return IValue(
                c10::impl::GenericList(static_cast<const c10::ListType &>(type).getElementType()));
        }
        case CT_DEFAULT:
            break;
    }
    TORCH_CHECK(
        expected.default_value().has_value(), "argument '", expected.name(), "' is missing");
    return *expected.default_value();
}

void unbox(IValue &&value, ct_value &result) {
    result = ct_value{};
    if (value.isTensor()) {
        result.tag = CT_TENSOR;
        result.p = given(std::move(value).toTensor());
    } else if (value.isInt()) {
        result.tag = CT_INT;
        result.i = value.toInt();
    } else if (value.isDouble()) {
        result.tag = CT_DOUBLE;
        result.d = value.toDouble();
    } else if (value.isBool()) {
        result.tag = CT_BOOL;
        result.i = value.toBool();
    } else if (value.isTensorList()) {
        auto list = std::move(value).toTensorVector();
        auto *items = static_cast<ct_tensor *>(std::malloc(sizeof(ct_tensor) * (list.size() + 1)));
        if (!items) throw std::bad_alloc();
        for (size_t k = 0; k < list.size(); k++) items[k] = given(std::move(list[k]));
        result.tag = CT_TENSORS;
        result.n = static_cast<int32_t>(list.size());
        result.p = items;
    } else {
        TORCH_CHECK(value.isNone(), "a result of type ", value.tagKind(), " is not supported");
    }
}

void discard(ct_value *results, size_t count) {
    for (size_t k = 0; k < count; k++) {
        if (results[k].tag == CT_TENSOR) {
            ct_release(static_cast<ct_tensor>(const_cast<void *>(results[k].p)));
        } else if (results[k].tag == CT_TENSORS) {
            auto *items = static_cast<ct_tensor const *>(results[k].p);
            for (int32_t j = 0; j < results[k].n; j++) ct_release(items[j]);
            ct_free(items);
        }
    }
}

ct_status call(
    ct::Op &op, const ct_value *args, int32_t nargs, ct_value *rets, int32_t nrets,
    int32_t *count) {
    return ct::guard([&] {
        const auto &expected = op.schema.arguments();
        const size_t results = op.schema.returns().size();
        TORCH_CHECK(
            static_cast<size_t>(nargs) <= expected.size(), nargs, " arguments given, takes ",
            expected.size());
        TORCH_CHECK(static_cast<size_t>(nrets) >= results, "has ", results, " results");
        // The stack's storage is reused; calls may nest (a hook), so it is taken out while in use.
        thread_local std::vector<Stack> pool;
        Stack stack;
        if (!pool.empty()) {
            stack = std::move(pool.back());
            pool.pop_back();
        }
        stack.clear();
        stack.reserve(expected.size());
        static const ct_value absent{CT_DEFAULT, 0, {0}};
        for (size_t k = 0; k < expected.size(); k++) {
            const bool isGiven = k < static_cast<size_t>(nargs);
            stack.emplace_back(boxed(isGiven ? args[k] : absent, expected[k]));
        }
        op.run(stack);
        TORCH_CHECK(stack.size() == results, "gave ", stack.size(), " results, not ", results);
        size_t done = 0;
        try {
            for (; done < results; done++) unbox(std::move(stack[done]), rets[done]);
        } catch (...) {
            discard(rets, done);
            throw;
        }
        *count = static_cast<int32_t>(results);
        stack.clear();
        pool.push_back(std::move(stack));
    });
}

// What a call gives when memory was lost and libtorch could not run shapes alone through it either:
// the shape of its first tensor, which is right for what works element by element.
ct_status callNothing(
    ct::Op &op, const ct_value *args, int32_t nargs, ct_value *rets, int32_t nrets,
    int32_t *count) {
    return ct::guard([&] {
        const auto &expected = op.schema.returns();
        TORCH_CHECK(static_cast<size_t>(nrets) >= expected.size());
        at::Tensor like;
        for (int32_t k = 0; k < nargs && !like.defined(); k++) {
            if (args[k].tag != CT_TENSOR) continue;
            like = argument(static_cast<ct_tensor>(const_cast<void *>(args[k].p)));
        }
        if (!like.defined()) like = placeholder({0}, IValue());
        for (size_t k = 0; k < expected.size(); k++) {
            rets[k] = ct_value{};
            const auto kind = expected[k].type()->kind();
            if (kind == c10::TypeKind::TensorType) {
                rets[k].tag = CT_TENSOR;
                rets[k].p = given(at::Tensor(like));
            } else if (kind == c10::TypeKind::ListType) {
                rets[k].tag = CT_TENSORS;
            } else if (kind == c10::TypeKind::NumberType || kind == c10::TypeKind::IntType) {
                rets[k].tag = CT_INT;
            } else if (kind == c10::TypeKind::FloatType) {
                rets[k].tag = CT_DOUBLE;
            } else if (kind == c10::TypeKind::BoolType) {
                rets[k].tag = CT_BOOL;
            }
        }
        *count = static_cast<int32_t>(expected.size());
    });
}

}  // namespace

ct_status ct_find(const char *name, const char *overload, ct_op *out) {
    if (ct_start() != CT_OK) return CT_FAILED;
    return ct::guard([&] { *out = reinterpret_cast<ct_op>(new ct::Op(name, overload)); });
}

ct_status ct_call(
    ct_op op, int32_t threads, const ct_value *args, int32_t nargs, ct_value *rets, int32_t nrets,
    int32_t *count) {
    auto &found = *reinterpret_cast<ct::Op *>(op);
    ct::useThreads(threads);
    ct_status status = call(found, args, nargs, rets, nrets, count);
    if (status != CT_OK && recovery == armed && ct_recovery_lose(status, nullptr)) {
        status = call(found, args, nargs, rets, nrets, count);
    }
    if (status != CT_OK && recovery == lost) {
        status = callNothing(found, args, nargs, rets, nrets, count);
    }
    return status;
}

void ct_free(const void *list) { std::free(const_cast<void *>(list)); }

ct_status ct_placeholder(const int64_t *sizes, int32_t ndim, int32_t dtype, ct_tensor *out) {
    return ct::guard([&] {
        *out = given(placeholder(c10::IntArrayRef(sizes, ndim), IValue(int64_t{dtype})));
    });
}

int32_t ct_recovery_begin(void) {
    const int32_t previous = recovery;
    if (recovery == off) recovery = armed;
    return previous;
}

ct_status ct_recovery_end(int32_t previous) {
    const ct_status cause = recovery == lost ? recoveryCause : CT_OK;
    recovery = previous;
    return cause;
}

bool ct_recovery_lose(ct_status status, const char *message) {
    if (recovery == off || (status != CT_OUT_OF_MEMORY && status != CT_DEVICE_FAILED)) return false;
    if (recovery == lost) return true;
    recovery = lost;
    recoveryCause = status;
    ct::guard([&] { recoveryMessage = message ? message : ct_last_error(); });
    return true;
}

const char *ct_recovery_message(void) { return recoveryMessage.c_str(); }

bool ct_recovery_lost(void) { return recovery == lost; }
