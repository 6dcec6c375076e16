/* SPDX-License-Identifier: MIT */
/*
 * test_mock_fake.h - the simulated backend alone, against a swarm that only writes down what it is
 * told. The implementation is included, with swarm_complete and swarm_stats_get replaced, so that
 * every answer is seen and its distributions can be asked at exact quantiles.
 */
#ifndef SWARM_TESTS_TEST_MOCK_FAKE_H
#define SWARM_TESTS_TEST_MOCK_FAKE_H

#include "test.h"

#include "../swarm.h"

static inline swarm_status fake_complete(swarm *sw, const swarm_completion *completion);
static inline swarm_status fake_stats_get(swarm *sw, swarm_stats *out_stats);
#define swarm_complete fake_complete
#define swarm_stats_get fake_stats_get
#include "../backends/mock/mock.c"
#undef swarm_complete
#undef swarm_stats_get

#define SECOND ((uint64_t)1000000000)
#define ANSWERS 4096u

/* What stands where a swarm would be. */
struct fake {
    uint64_t now_ns;
    uint32_t count; /* of answers, refused ones included */
    swarm_status refuse;
    swarm_completion answers[ANSWERS];
    bool answered[ANSWERS]; /* by attempt id */
};

static struct fake fake;
static unsigned char memory[1u << 20];
static swarm_mock *mock;
static const swarm_backend *table;

static inline swarm *fake_swarm(void) {
    return (swarm *)(void *)&fake;
}

static inline swarm_status fake_complete(swarm *sw, const swarm_completion *completion) {
    uint64_t id = completion->attempt.id;

    CHECK(sw == fake_swarm());
    CHECK_EQ(completion->reserved, 0);
    CHECK(id < ANSWERS);
    if (fake.count < ANSWERS) {
        fake.answers[fake.count++] = *completion;
    }
    if (fake.refuse != SWARM_OK) {
        return fake.refuse;
    }
    if (id >= ANSWERS || fake.answered[id]) {
        return id >= ANSWERS ? SWARM_E_STALE : SWARM_E_DUPLICATE;
    }
    fake.answered[id] = true;
    return SWARM_OK;
}

static inline swarm_status fake_stats_get(swarm *sw, swarm_stats *out_stats) {
    CHECK(sw == fake_swarm());
    memset(out_stats, 0, sizeof *out_stats);
    out_stats->now_ns = fake.now_ns;
    return SWARM_OK;
}

/* A fresh fake swarm and a mock of this spec in `memory`. */
static inline void begin(const swarm_mock_spec *spec) {
    memset(&fake, 0, sizeof fake);
    memset(memory, 0xA5, sizeof memory);
    mock = swarm_mock_new(spec, memory, sizeof memory);
    CHECK(mock != NULL);
    table = swarm_mock_backend(mock);
    CHECK(mock == NULL || table->size == sizeof(swarm_backend));
}

static inline void begin_model(const swarm_mock_model *model) {
    swarm_mock_spec spec = {.size = sizeof spec, .models = model, .models_count = 1, .seed = 7};

    begin(&spec);
}

static inline swarm_request start(uint64_t ordinal, uint32_t number) {
    swarm_request request = {.attempt = {ordinal * 4 + number},
                             .ordinal = ordinal,
                             .argument = 1000 + ordinal,
                             .run_seed = 99,
                             .run_key = 5,
                             .number = number,
                             .kind = SWARM_REQUEST_START};

    return request;
}

static inline swarm_status submit(uint64_t ordinal, uint32_t number) {
    swarm_request request = start(ordinal, number);
    uint64_t until_ns = 0;

    return table->submit(table->context, fake_swarm(), &request, &until_ns);
}

static inline void cancel(uint64_t ordinal, uint32_t number) {
    swarm_request request = start(ordinal, number);

    request.kind = SWARM_REQUEST_CANCEL;
    table->cancel(table->context, fake_swarm(), &request);
}

static inline void poll_at(uint64_t now_ns) {
    fake.now_ns = now_ns;
    table->poll(table->context, fake_swarm(), now_ns);
}

static inline uint64_t deadline(void) {
    return table->deadline(table->context);
}

static inline swarm_mock_stats stats(void) {
    swarm_mock_stats out = {0};

    CHECK_EQ(swarm_mock_stats_get(mock, &out), SWARM_OK);
    return out;
}

#endif
