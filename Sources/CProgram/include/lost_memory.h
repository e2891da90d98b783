// What a program does about memory that it is not given (ulimit -v, a container's limit).
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// For a program's first line: where code that can only trap, Swift's runtime or a library's thread, was refused
// memory, the program ends with a message and exit code 1. All other traps are as they were.
//
// Before that, and before any library starts, a program whose address space has no room for them has ended so.
void program_explain_lost_memory(void);

#ifdef __cplusplus
}
#endif
