// The boxed call that ct_call and the start-up self-test share.
#pragma once
#include <ATen/core/stack.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <memory>

namespace ct {

// Dispatcher::callBoxed is inline and tied to one version's layout; a JIT operator's operation is a
// function object that the library made itself.
struct Op {
    std::shared_ptr<torch::jit::Operator> jit;
    torch::jit::Operation run;
    const c10::FunctionSchema &schema;

    Op(const char *name, const char *overload);
};

}  // namespace ct
