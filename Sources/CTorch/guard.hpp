// The exception boundary: every body that may throw runs inside guard().
#pragma once
#include "ctorch.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string_view>

namespace ct {

// Stores the message of a failure for ct_last_error; says which status it means.
ct_status failed(std::string_view message, ct_status status = CT_FAILED) noexcept;

// What a message of libtorch or CUDA reports: failed allocation, a failed device, or a mistake of ours. The types
// that are thrown do not tell.
ct_status statusOf(std::string_view message) noexcept;

template <class Body>
ct_status guard(Body &&body) noexcept {
    try {
        body();
        return CT_OK;
    } catch (const c10::OutOfMemoryError &error) {
        return failed(error.what(), CT_OUT_OF_MEMORY);
    } catch (const std::bad_alloc &) {
        return failed("out of host memory", CT_OUT_OF_MEMORY);
    } catch (const std::exception &error) {
        return failed(error.what(), statusOf(error.what()));
    } catch (...) {
        return failed("unknown C++ exception");
    }
}

}  // namespace ct
