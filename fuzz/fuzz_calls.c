/* SPDX-License-Identifier: MIT */
/*
 * fuzz_calls.c - bytes as the choices of a simulated trial: sequences of calls, plans, answers and
 * faults, against the naive model of tests/sim_model.h.
 */
#define _POSIX_C_SOURCE 200809L
#define FUZZ_OWN_ASSERT

#include "../tests/sim_drive.h"
#include "fuzz.h"

static struct world world;
static unsigned char arena[1u << 24], tape[1u << 19];

void swarm__assert_failed(const char *text, const char *file, int line) {
    fprintf(stderr, "%s:%d: ", file, line);
    wrong(&world, text);
}

static const char *trial(void *context, swarm_trial *choices) {
    (void)context;
    memset(&world, 0, offsetof(struct world, log));
    world.trial = choices;
    world.variant = (struct variant){1, 0, 64, 65536, 0xA5, false};
    if (setjmp(world.out) == 0) {
        play(&world, arena, sizeof arena);
    }
    return world.wrong;
}

static size_t fuzz_good(uint32_t index, uint8_t *bytes, size_t max) {
    size_t size = 400 < max ? 400 : max;

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(swarm_random(index, 7, i) % (i < FEATURES ? 8 : 100));
    }
    return index < 8 ? size : 0;
}

/* A byte is a choice; behind the last one there are zeros. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char line[3 * 4096 + 1];
    swarm_campaign_spec spec = {.size = sizeof spec,
                                .trial = trial,
                                .choices = line,
                                .memory = tape,
                                .memory_size = sizeof tape};
    swarm_campaign_report report;
    size_t used = 0;

    for (size_t i = 0; i < size && i < 4096; i++) {
        used += (size_t)snprintf(line + used, sizeof line - used, i == 0 ? "%x" : ".%x", bytes[i]);
    }
    if (used != 0 && swarm_campaign_run(&spec, &report) != SWARM_OK) {
        fprintf(stderr, "%s\n", report.text);
        abort();
    }
    return 0;
}
