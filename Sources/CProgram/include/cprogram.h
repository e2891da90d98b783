// What a program may do to its process, and a library may not: mal and bench link this, Labeling does not.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// Where this program lies, so that it is known by its name when it is started again; /proc/self/exe when it lies
// nowhere any more. The first caller comes before other threads.
const char *program_path(void);

// Starts the program over, once, so that libtorch's idle threads sleep instead of spinning. For a program's
// first line. OpenMP's threads spin for milliseconds after each operator, on cores that decoding and cropping
// want, and on a busy machine against the very threads they wait for. The runtime reads how to wait from the
// environment before `main`, hence the new start. Does nothing when the user chose a way (OMP_WAIT_POLICY,
// GOMP_SPINCOUNT), and goes on as it is where a program can't be started again.
void program_let_idle_threads_sleep(char **arguments);

// Where libtorch has CUDA: lets a block of GPU memory grow in place (expandable_segments). Shapes that change from
// step to step leave blocks of all sizes behind otherwise, which fit nothing later. For before libtorch loads CUDA,
// which reads it once. Does nothing when the user said something himself (PYTORCH_ALLOC_CONF, PYTORCH_CUDA_ALLOC_CONF).
void program_let_gpu_memory_grow(void);

// Keeps freed memory in the heap: giving big buffers back to the kernel after every operator costs about 7 % of
// a training step in page faults.
void program_tune_malloc(void);

// Gives freed memory back to the kernel. For a program that lives long, now and then.
void program_return_free_memory(void);

// For a program's first line: where code that can only trap, Swift's runtime or a library's thread, was refused
// memory (ulimit -v, a container's limit), the program ends with a message and exit code 1. All other traps are as
// they were. So it ends where a library calls exit, libgomp without a thread; the program itself must end by _exit.
//
// Before that, and before any library starts, a program whose address space has no room for them has ended so.
void program_explain_lost_memory(void);

#ifdef __cplusplus
}
#endif
