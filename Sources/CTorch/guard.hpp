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

// Whether a libtorch message reports failed allocation. Allocators differ in the type they throw.
bool reportsOutOfMemory(std::string_view message) noexcept;

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
        std::string_view message = error.what();
        return failed(message, reportsOutOfMemory(message) ? CT_OUT_OF_MEMORY : CT_FAILED);
    } catch (...) {
        return failed("unknown C++ exception");
    }
}

}  // namespace ct
