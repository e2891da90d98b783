// The C interface to what several processes of a run share: a key-value store, Gloo's collectives and NCCL's. The rules
// of ctorch.h hold. Unlike CTorch it works only with the minor version of libtorch that it was compiled for.
#pragma once
#include "ctorch.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- several processes (store.cpp, distributed.cpp) ------------------------------------------

typedef struct ct_store_opaque *ct_store;
typedef struct ct_group_opaque *ct_group;
typedef struct ct_work_opaque *ct_work;

// Whether what follows works: CT_FAILED when the libtorch that was found is of another minor version
// than the one this library was compiled for. ct_store_open asks too. Times are milliseconds.
ct_status ct_distributed_check(void);
typedef enum ct_store_role {
    CT_STORE_JOIN = 0,   // the store is there, with the run's sign
    CT_STORE_SERVE = 1,  // this process is the store (port 0: any free one, see ct_store_port)
    CT_STORE_SIGN = 2,   // somebody else is the store, and this process puts the run's sign there
} ct_store_role;
// A connection to the key-value store at host:port. Names and values there are sealed with the run's secret, and
// the sign of the run is compared before anything else is read. With `local` only this machine reaches a store that
// this process serves. A store that nobody serves, or that is not the run's, is told within 3 s, whatever
// `timeout` is (CT_STRANGER, CT_NOT_YET). One thread at a time uses a connection, because a call that waits
// holds it. The owner gives it to ct_store_close once.
ct_status ct_store_open(
    const char *host, int32_t port, ct_store_role role, bool local, const void *secret,
    int64_t secret_count, int64_t timeout, ct_store *out);
void ct_store_close(ct_store store);
int32_t ct_store_port(ct_store store);
ct_status ct_store_set(ct_store store, const char *key, const void *bytes, int64_t count);
// Waits for the key. The caller gives *bytes to ct_free.
ct_status ct_store_get(
    ct_store store, const char *key, int64_t timeout, const void **bytes, int64_t *count);
ct_status ct_store_has(ct_store store, const char *key, bool *out);
// Adds to a number, which begins at 0; *out is the sum.
ct_status ct_store_add(ct_store store, const char *key, int64_t amount, int64_t *out);
// HMAC-SHA-256, 32 bytes.
void ct_hmac(
    const void *secret, int64_t secret_count, const void *bytes, int64_t count, uint8_t *out);

// The processes 0..<size that meet over the store, below keys that begin with `prefix`, for
// collectives on host memory (Gloo). All have to make the same calls in the same order. One that takes longer than
// `timeout` fails. The owner gives the group to ct_group_close once.
ct_status ct_group_open(
    ct_store store, const char *prefix, int32_t rank, int32_t size, int64_t timeout,
    ct_group *out);
void ct_group_close(ct_group group);
// Start to make the tensor, in place, the sum over all processes, or what `root` has. The tensor must
// live, and not be touched, until ct_wait, which takes *out back and reports how it ended.
ct_status ct_all_reduce(ct_group group, ct_tensor tensor, ct_work *out);
ct_status ct_broadcast(ct_group group, ct_tensor tensor, int32_t root, ct_work *out);
ct_status ct_wait(ct_work work);

// ---- several GPUs (nccl.cpp) -----------------------------------------------------------------

typedef struct ct_nccl_opaque *ct_nccl;
enum { CT_NCCL_ID_SIZE = 128 };

// Makes the id of a new group, CT_NCCL_ID_SIZE bytes: one process makes it and all give it to ct_nccl_open.
ct_status ct_nccl_id(uint8_t *id);
// The processes 0..<size, each with a CUDA device of its own; comes back when all have called it. The owner gives
// the group to ct_nccl_close once, which waits for nothing.
ct_status ct_nccl_open(
    const uint8_t *id, int32_t rank, int32_t size, int32_t device, ct_nccl *out);
void ct_nccl_close(ct_nccl group);
// Enqueue, on a stream of the group's own and behind what the device's current stream holds, to make the tensor the
// sum over all processes, or what `root` has. The tensor must live until the current stream has joined *out
// (ct_event_join), which the caller gives to ct_event_free.
ct_status ct_nccl_all_reduce(ct_nccl group, ct_tensor tensor, ct_event *out);
ct_status ct_nccl_broadcast(ct_nccl group, ct_tensor tensor, int32_t root, ct_event *out);

#ifdef __cplusplus
}
#endif
