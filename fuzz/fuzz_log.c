/* SPDX-License-Identifier: MIT */
/* fuzz_log.c - bytes as a log: the reader, the account of a run, and a resume in pieces. */
#include "fuzz.h"

#include "../backends/mock/swarm_mock.h"

struct sink {
    uint8_t *bytes;
    size_t size, max;
};

static bool sink_write(void *context, const void *bytes, size_t size) {
    struct sink *sink = context;

    if (size > sink->max - sink->size) {
        return false;
    }
    memcpy(sink->bytes + sink->size, bytes, size);
    sink->size += size;
    return true;
}

static swarm_outcome twice(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    *out_value = 2 * call->argument;
    return SWARM_OUTCOME_OK;
}

/* The setup that all logs here share. */
static swarm *setup(swarm_mock *mock, void *block, size_t size) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .memory = block,
                                 .memory_size = size,
                                 .steps_max = 256,
                                 .agents_max = 8,
                                 .log_bytes = 1 << 16};
    swarm_profile_spec profile = {.name = "clerk"};
    swarm *sw = NULL;

    FUZZ_CHECK(swarm_new(&config, &sw) == SWARM_OK);
    profile.backend = swarm_backend_add(sw, swarm_mock_backend(mock));
    (void)swarm_agent_add(sw, swarm_profile_add(sw, &profile), 3);
    (void)swarm_permit_add(sw, "door", 2);
    (void)swarm_function_add(sw, "twice", twice, NULL);
    return sw;
}

static unsigned char block[1u << 22], mock_memory[1u << 16];

static void plan_fill(swarm *sw, swarm_run run, uint32_t index) {
    static const swarm_need need = {{1}, 1};
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step before = {0};

    for (uint32_t i = 0; i < 5 + 5 * index; i++) {
        swarm_step_spec spec = {.argument = i,
                                .key = 100 + i,
                                .retry = {.attempts_max = 3},
                                .needs = &need,
                                .needs_count = i % 2,
                                .function = {i % 4 == 3 ? 1u : 0u}};
        swarm_step step;

        if (spec.function.id != 0) {
            spec = (swarm_step_spec){.argument = i, .function = {1}};
        }
        step = swarm_step_add(plan, &spec);
        if (before.id != 0) {
            (void)swarm_edge_add(plan, before, step, i % 3 == 0 ? 1000 : 0);
        }
        before = i % 3 == 2 ? (swarm_step){0} : step;
    }
    FUZZ_CHECK(swarm_plan_commit(plan, NULL) == SWARM_OK);
}

static size_t fuzz_good(uint32_t index, uint8_t *bytes, size_t max) {
    const swarm_mock_model model = {.failure_ppm = 200000, .throttle_ppm = 100000};
    const swarm_mock_spec spec = {.size = sizeof spec, .models = &model, .models_count = 1};
    struct sink sink = {bytes, 0, max};
    const swarm_drive_options options = {.write = sink_write, .write_context = &sink};
    const swarm_run_spec run_spec = {.key = 1, .flags = index % 2 == 0 ? 0 : SWARM_RUN_GROWING};
    swarm *sw;
    swarm_run run;

    if (index >= 4) {
        return 0;
    }
    sw = setup(swarm_mock_new(&spec, mock_memory, sizeof mock_memory), block, sizeof block);
    run = swarm_run_open(sw, &run_spec);
    plan_fill(sw, run, index);
    (void)swarm_run_close(sw, run);
    FUZZ_CHECK(swarm_sim_drive(sw, &options) == SWARM_OK);
    FUZZ_CHECK(swarm_free(sw) == SWARM_OK);
    return sink.size;
}

/* Every event is inside the bytes, and the reader ends. */
static void read_events(const uint8_t *bytes, size_t size) {
    swarm_log_cursor cursor = {0};
    swarm_event event;
    swarm_status status = swarm_event_next(bytes, size, &cursor, &event);

    for (size_t i = 0; status == SWARM_OK; i++) {
        FUZZ_CHECK(i <= size && cursor.offset <= size && event.fields <= 8);
        status = swarm_event_next(bytes, size, &cursor, &event);
    }
    FUZZ_CHECK(status == SWARM_E_MISSING || status == SWARM_E_AGAIN || status == SWARM_E_CORRUPT ||
               status == SWARM_E_MISMATCH);
}

static void read_trace(const uint8_t *bytes, size_t size) {
    const swarm_trace_spec spec = {.log = bytes, .log_size = size};
    swarm_metrics metrics;
    swarm_trace *trace = NULL;
    size_t need = 0;

    if (swarm_trace_memory_size(&spec, &need) == SWARM_OK && need <= sizeof block &&
        swarm_trace_new(&spec, block, need, &trace) == SWARM_OK) {
        FUZZ_CHECK(swarm_trace_metrics(trace, &metrics) == SWARM_OK);
        FUZZ_CHECK(metrics.ok <= metrics.steps);
    }
}

/* Fed in pieces, a log is taken or refused; either way the swarm can be freed. */
static void feed(const uint8_t *bytes, size_t size) {
    const swarm_mock_spec spec = {.size = sizeof spec};
    swarm *sw = setup(swarm_mock_new(&spec, mock_memory, sizeof mock_memory), block, sizeof block);
    size_t piece = size == 0 ? 1 : 1 + bytes[0] * (size_t)37 % 4096;
    swarm_status status = SWARM_OK;
    uint64_t good = 0;

    for (size_t at = 0; at < size && status == SWARM_OK; at += piece) {
        status =
            swarm_resume_feed(sw, SWARM_RESUME, bytes + at, size - at < piece ? size - at : piece);
    }
    status = swarm_resume_end(sw, &good);
    FUZZ_CHECK(good <= size);
    if (status == SWARM_OK) {
        const swarm_drive_options options = {.until_ns = SWARM_NEVER - 2};

        (void)swarm_sim_drive(sw, &options);
    }
    (void)swarm_free(sw); /* BUSY when the log left attempts in flight: the memory is ours */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    read_events(bytes, size);
    read_trace(bytes, size);
    feed(bytes, size);
    return 0;
}
