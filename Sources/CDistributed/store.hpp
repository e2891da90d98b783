// What other files need from store.cpp.
#pragma once
#include "cdistributed.h"

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace ct {

// The store behind a handle, whose names and values are sealed.
c10::intrusive_ptr<c10d::Store> sealed(ct_store handle);
// The host it was opened with.
std::string hostOf(ct_store handle);

}  // namespace ct
