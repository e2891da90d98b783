#include <limits.h>
#include <stdlib.h>

#include "cfuzz.h"

int cf_plant_overflow(size_t zero) {
    volatile char *bytes = calloc(8, 1);
    int value = bytes[zero + 8];
    free((void *)bytes);
    return value;
}

int cf_plant_use_after_free(size_t zero) {
    volatile char *bytes = calloc(8, 1);
    free((void *)bytes);
    return bytes[zero];
}

int cf_plant_undefined(int zero) {
    volatile int most = INT_MAX - zero;
    return most + 1;
}

void cf_plant_leak(void) {
    void *volatile bytes = malloc(100);
    bytes = NULL;
}
