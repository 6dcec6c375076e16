/* SPDX-License-Identifier: MIT */
/*
 * test_limits_log.c - the log through rings of any size: what does not fit waits, nothing is lost,
 * and what is decided does not depend on when the log is read out.
 */
#include "test_limits.h"

/* ---- the log: a ring that is always full loses nothing and decides nothing */

struct tape {
    unsigned char bytes[1u << 20];
    size_t size;
    uint32_t commits, rounds; /* that had to wait for room */
};

/* Reads out at most `most` frames. */
static void read_out(swarm *sw, struct tape *tape, uint32_t most) {
    for (uint32_t i = 0; i < most; i++) {
        size_t one = 0;

        if (swarm_log_read(sw, tape->bytes + tape->size, 0, &one) != 0 || one == 0) {
            break;
        }
        CHECK(tape->size + one <= sizeof tape->bytes);
        CHECK_EQ(swarm_log_read(sw, tape->bytes + tape->size, one, NULL), one);
        tape->size += one;
    }
    CHECK_EQ(swarm_log_acknowledge(sw), SWARM_OK);
}

/* Answers what was started at once, so that everything happens in few, large rounds. */
static void answer_all(swarm *sw) {
    swarm_request request;

    while (swarm_take(sw, &request, 1) != 0) {
        const swarm_completion completion = {.attempt = request.attempt,
                                             .usage = {.cost_nano = request.ordinal}};

        CHECK(request.kind != SWARM_REQUEST_START || swarm_complete(sw, &completion) == SWARM_OK);
    }
}

/* One run of 300 agent steps in layers; its hash. `frames`: how many are read out at a time. */
static uint64_t recorded(uint64_t log_bytes, uint32_t frames, struct tape *tape) {
    swarm_config config = small();
    const swarm_run_spec spec = {.seed = 1, .flags = SWARM_RUN_GROWING};
    swarm_run_report report = {0};
    uint64_t now_ns = 0;
    struct house h;
    swarm_run run;

    tape->size = tape->commits = tape->rounds = 0;
    config.log_bytes = log_bytes;
    config.steps_max = config.tracked_max = 512;
    config.agents_max = 300;
    house_open(&h, config);
    CHECK(swarm_agent_add(h.sw, h.profile, 299).id != 0);
    run = swarm_run_open(h.sw, &spec);
    for (int layer = 0; layer < 10; layer++) {
        swarm_plan *plan = swarm_plan_open(h.sw, run);
        swarm_status status;

        for (uint64_t i = 0; i < 30; i++) {
            const swarm_step_spec step = {.argument = i, .estimate_ns = i * SECOND};

            CHECK(swarm_step_add(plan, &step).id != 0);
        }
        for (status = swarm_plan_commit(plan, NULL); status == SWARM_E_AGAIN;
             status = swarm_plan_commit(plan, NULL)) {
            tape->commits++;
            read_out(h.sw, tape, frames);
        }
        CHECK_EQ(status, SWARM_OK);
    }
    while (swarm_run_close(h.sw, run) == SWARM_E_AGAIN) {
        read_out(h.sw, tape, frames);
    }
    for (report.state = 0; report.state != SWARM_RUN_ENDED && now_ns < 1000; now_ns++) {
        bool changed = true;

        while (changed) {
            swarm_status status = swarm_advance(h.sw, now_ns, &changed);

            for (; status == SWARM_E_AGAIN; status = swarm_advance(h.sw, now_ns, &changed)) {
                tape->rounds++;
                read_out(h.sw, tape, frames);
            }
            CHECK_EQ(status, SWARM_OK);
        }
        read_out(h.sw, tape, 1u << 20); /* starts are handed out when they are safe */
        answer_all(h.sw);
        CHECK_EQ(swarm_run_report_get(h.sw, run, &report), SWARM_OK);
    }
    CHECK_EQ(report.ok, 300);
    read_out(h.sw, tape, 1u << 20);
    house_close(&h);
    return report.hash[0] ^ report.hash[1];
}

/* Event by event; the rings' frames may be cut differently. Returns how many. */
static uint64_t same_events(const struct tape *a, const struct tape *b) {
    swarm_log_cursor at = {0}, bt = {0};
    uint64_t count = 0;

    for (;; count++) {
        swarm_event x = {0}, y = {0};
        swarm_status first = swarm_event_next(a->bytes, a->size, &at, &x);
        swarm_status second = swarm_event_next(b->bytes, b->size, &bt, &y);

        CHECK_EQ(first, second);
        if (first != SWARM_OK || second != SWARM_OK) {
            CHECK_EQ(first, SWARM_E_MISSING);
            return count;
        }
        x.frame = y.frame = 0;
        CHECK(memcmp(&x, &y, sizeof x) == 0);
    }
}

TEST(rings_of_any_size_say_the_same) {
    static struct tape large, tiny, slow;
    uint64_t hash = recorded(0, 1, &large);

    CHECK_EQ(large.commits + large.rounds, 0);
    CHECK_EQ(recorded(8192, 1, &tiny), hash);
    CHECK(tiny.commits > 2);
    CHECK(tiny.rounds > 2);
    CHECK(same_events(&large, &tiny) > 300 * 5);
    CHECK_EQ(recorded(8192, 1u << 20, &slow), hash); /* the same ring, read out otherwise */
    CHECK_EQ(slow.size, tiny.size);
    CHECK(memcmp(slow.bytes, tiny.bytes, tiny.size) == 0);
    CHECK_EQ(recorded(9001, 2, &slow), hash);
    CHECK(same_events(&large, &slow) > 300 * 5);
}

/* A plan whose events no ring of that size could take. */
TEST(plans_larger_than_the_log) {
    swarm_config config = small();
    swarm_error error = {0};
    struct house h;
    swarm_run run;

    config.log_bytes = 8192;
    house_open(&h, config);
    run = growing(&h);
    for (int k = 0; k < 3; k++) {
        swarm_plan *plan = swarm_plan_open(h.sw, run);

        for (uint64_t i = 0; i < 120; i++) { /* more than 70 bytes each in the log */
            const swarm_step_spec spec = {.argument = UINT64_MAX,
                                          .key = UINT64_MAX - i,
                                          .order_key = UINT64_MAX,
                                          .estimate_ns = UINT64_MAX,
                                          .run_timeout_ns = UINT64_MAX / 2,
                                          .retry = {.backoff_ns = UINT64_MAX / 2}};

            CHECK(swarm_step_add(plan, &spec).id != 0);
        }
        CHECK_EQ(swarm_plan_commit(plan, &error), SWARM_E_FULL);
        check_refused(&error, SWARM_E_FULL, "log_bytes");
        CHECK_EQ(live_steps(&h), 0);
    }
    swarm_plan *plan = swarm_plan_open(h.sw, run);
    for (int i = 0; i < 200; i++) { /* plain call steps are not in the log one by one */
        CHECK(swarm_call_add(plan, h.function, 1).id != 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    run_out(&h, run, 200);
    house_close(&h);
}

TEST_MAIN()
