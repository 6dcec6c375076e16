/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what a fuzz target is: a function of bytes that must survive any of them, and a few good
 * inputs to begin with, which the target makes itself.
 *
 * With libFuzzer (-DFUZZ_LIBFUZZER -fsanitize=fuzzer,address,undefined) the good inputs are
 * written to the folder that FUZZ_CORPUS names, if it does, and the search begins. Without, main()
 * plays the good inputs and, of each, --rounds N damaged copies (bits, bytes, cuts, doubled
 * pieces), drawn from --seed. A finding aborts.
 */
#ifndef SWARM_FUZZ_H
#define SWARM_FUZZ_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../swarm.h"

#define FUZZ_MAX (1u << 20)

/* The target. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Writes good input `index`; 0 behind the last. */
static size_t fuzz_good(uint32_t index, uint8_t *bytes, size_t max);

/* What must hold, in any build. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __LINE__))

static inline void fuzz_broken(const char *text, int line) {
    fprintf(stderr, "line %d: %s\n", line, text);
    abort();
}

/* What SWARM_ASSERT calls in a build with SWARM_ASSERTS. */
void swarm__assert_failed(const char *text, const char *file, int line);
#ifndef FUZZ_OWN_ASSERT
void swarm__assert_failed(const char *text, const char *file, int line) {
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, text);
    abort();
}
#endif

#if defined(FUZZ_LIBFUZZER)

int LLVMFuzzerInitialize(int *count, char ***arguments);

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    static uint8_t bytes[FUZZ_MAX];
    const char *folder = getenv("FUZZ_CORPUS");
    char name[4096];

    (void)count;
    (void)arguments;
    for (uint32_t i = 0; folder != NULL; i++) {
        size_t size = fuzz_good(i, bytes, sizeof bytes);
        FILE *file = NULL;

        snprintf(name, sizeof name, "%s/good%u", folder, i);
        if (size == 0 || (file = fopen(name, "wb")) == NULL) {
            break;
        }
        fwrite(bytes, 1, size, file);
        fclose(file);
    }
    return 0;
}

#else

/* One damage at a drawn place. */
static inline size_t fuzz_damage(uint8_t *bytes, size_t size, uint64_t draw) {
    size_t at = (size_t)(draw >> 8) % size, rest = size - at;

    switch (draw % 5) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << (draw >> 40) % 8);
        return size;
    case 1:
        bytes[at] = (uint8_t)(draw >> 40);
        return size;
    case 2:
        return at; /* cut */
    case 3:
        memmove(bytes + at, bytes + at + 1, rest - 1);
        return size - 1;
    default:
        if (size + rest <= FUZZ_MAX) {
            memcpy(bytes + size, bytes + at, rest); /* the end once more */
            return size + rest;
        }
        return size;
    }
}

static inline void fuzz_rounds(uint32_t index, uint64_t seed, uint64_t rounds) {
    static uint8_t good[FUZZ_MAX], bytes[FUZZ_MAX];
    size_t full = fuzz_good(index, good, sizeof good);

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t key = swarm_random(seed, index, i);
        size_t size = full;
        uint8_t *exact;

        memcpy(bytes, good, full);
        for (uint64_t k = 0; k < (i == 0 ? 0 : 1 + key % 4) && size != 0; k++) {
            size = fuzz_damage(bytes, size, swarm_random(key, 1, k));
        }
        exact = malloc(size != 0 ? size : 1); /* so that a byte too far is seen */
        if (exact != NULL) {
            memcpy(exact, bytes, size);
            (void)LLVMFuzzerTestOneInput(exact, size);
            free(exact);
        }
    }
}

int main(int count, char **arguments) {
    static uint8_t bytes[FUZZ_MAX];
    uint64_t seed = 1, rounds = 300;
    uint32_t index = 0;

    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t value = strtoull(arguments[i + 1], NULL, 0);

        seed = strcmp(arguments[i], "--seed") == 0 ? value : seed;
        rounds = strcmp(arguments[i], "--rounds") == 0 ? value : rounds;
    }
    (void)LLVMFuzzerTestOneInput(bytes, 0);
    for (; fuzz_good(index, bytes, sizeof bytes) != 0; index++) {
        fuzz_rounds(index, seed, rounds);
    }
    printf("# %u good inputs, %" PRIu64 " copies of each\nok 1 - survives\n1..1\n", index, rounds);
    return index == 0;
}

#endif
#endif
