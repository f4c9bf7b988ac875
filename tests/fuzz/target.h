/* What all fuzz targets have: the entry that a fuzzer, or replay.c, calls, and how one says that something is wrong. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x))                                                                                                              \
            abort();                                                                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
