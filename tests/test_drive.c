/* SPDX-License-Identifier: MIT */
/*
 * The ways to drive: swarm_drive by a clock that the test turns and by the real one, with threads
 * and without; the caller's own threads that hand the turn round; an event loop with nothing but a
 * wakeup; completions, cancels and questions from other threads meanwhile; drain and free.
 */
#include "crew.h"
#include "test_dispatch.h"

#include "../backends/mock/swarm_mock.h"

#define CALLS 400u
#define MILLISECOND UINT64_C(1000000)

static const swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
static unsigned char mock_memory[1u << 18];

/* ---- a host whose clock the test turns: every look takes 1 us, and sleeping takes its time */

struct turned {
    swarm_host host;
    atomic_u64 now_ns, waits;
};

static uint64_t turned_clock(void *context) {
    struct turned *turned = context;

    return ATOMIC_ADD(&turned->now_ns, 1000, relaxed);
}

static void turned_wait(void *context, const void *address, uint32_t expected,
                        uint64_t timeout_ns) {
    struct turned *turned = context;
    const atomic_u32 *word = address;

    if (ATOMIC_LOAD(word, relaxed) == expected) {
        (void)ATOMIC_ADD(&turned->now_ns, timeout_ns < SECOND ? timeout_ns : SECOND, relaxed);
        (void)ATOMIC_ADD(&turned->waits, 1, relaxed);
        sched_yield();
    }
}

static void turned_wake(void *context, const void *address, uint32_t count) {
    (void)context;
    (void)address;
    (void)count;
}

static void turned_init(struct turned *turned) {
    memset(turned, 0, sizeof *turned);
    turned->host = *swarm_host_default();
    turned->host.context = turned;
    turned->host.clock = turned_clock;
    turned->host.wait = turned_wait;
    turned->host.wake = turned_wake;
}

/* ---- a swarm with a mock */

struct place {
    swarm *sw;
    swarm_mock *mock;
    swarm_function call;
    atomic_u32 ran;
};

static swarm_outcome place_call(void *context, const swarm_call *call, uint64_t *out_value) {
    struct place *place = context;

    (void)ATOMIC_ADD(&place->ran, 1, relaxed);
    *out_value = call->argument;
    return SWARM_OUTCOME_OK;
}

static void place_new(struct place *place, const swarm_host *host, const swarm_mock_model *model) {
    const swarm_config config = {.size = sizeof config, .version = SWARM_VERSION, .host = host};
    const swarm_mock_spec spec = {
        .size = sizeof spec, .models = model, .models_count = model != NULL};
    swarm_profile_spec profile = {.name = "agent"};

    memset(place, 0, sizeof *place);
    CHECK_EQ(swarm_new(&config, &place->sw), SWARM_OK);
    place->mock = swarm_mock_new(&spec, mock_memory, sizeof mock_memory);
    profile.backend = swarm_backend_add(place->sw, swarm_mock_backend(place->mock));
    (void)swarm_agent_add(place->sw, swarm_profile_add(place->sw, &profile), 4);
    place->call = swarm_function_add(place->sw, "call", place_call, place);
    CHECK_EQ(swarm_fault(place->sw, NULL), SWARM_OK);
}

/* Three agent steps in a row, with a fan of call steps between each two. */
static swarm_run place_fill(struct place *place, const swarm_run_spec *spec) {
    swarm_run run = swarm_run_open(place->sw, spec);
    swarm_plan *plan = swarm_plan_open(place->sw, run);
    swarm_step agent = rig_step(plan);

    for (uint32_t level = 0; level < 2; level++) {
        swarm_step next = rig_step(plan);

        for (uint32_t i = 0; i < CALLS / 2; i++) {
            swarm_step call = swarm_call_add(plan, place->call, i);

            CHECK_EQ(swarm_edge_add(plan, agent, call, 0), SWARM_OK);
            CHECK_EQ(swarm_edge_add(plan, call, next, 0), SWARM_OK);
        }
        agent = next;
    }
    rig_commit(plan);
    return run;
}

static swarm_run_report place_report(struct place *place, swarm_run run) {
    swarm_run_report report = {0};

    CHECK_EQ(swarm_run_report_get(place->sw, run, &report), SWARM_OK);
    return report;
}

static void place_check(struct place *place, swarm_run run) {
    CHECK_EQ(swarm_run_check(place->sw, run, NULL), SWARM_OK);
    CHECK_EQ(place_report(place, run).ok, CALLS + 3);
    CHECK_EQ(place_report(place, run).state, SWARM_RUN_ENDED);
}

TEST(drive_by_a_clock_of_the_test) {
    for (uint32_t workers = 0; workers < 4; workers += 3) {
        const swarm_drive_options options = {.workers = workers};
        const swarm_mock_model model = {.mean_ns = 5 * MILLISECOND};
        static struct turned turned;
        struct place place;
        swarm_run run;

        turned_init(&turned);
        place_new(&place, &turned.host, &model);
        run = place_fill(&place, NULL);
        CHECK_EQ(swarm_drive(place.sw, &options), SWARM_OK);
        place_check(&place, run);
        CHECK_EQ(ATOMIC_LOAD(&place.ran, relaxed), CALLS);
        CHECK(ATOMIC_LOAD(&turned.waits, relaxed) != 0);
        CHECK(place_report(&place, run).end_ns >= 15 * MILLISECOND);
        CHECK(place_report(&place, run).running_ns >= 15 * MILLISECOND);
        CHECK_EQ(swarm_drain(place.sw), SWARM_OK);
        CHECK_EQ(swarm_free(place.sw), SWARM_OK);
    }
}

TEST(drive_by_the_real_clock) {
    for (uint32_t workers = 0; workers < 4; workers++) {
        const swarm_drive_options options = {.workers = workers};
        const swarm_mock_model model = {.mean_ns = MILLISECOND / 10};
        struct place place;
        swarm_run run;

        place_new(&place, swarm_host_default(), &model);
        run = place_fill(&place, NULL);
        for (uint32_t again = 0; again < 5; again++) {
            CHECK_EQ(swarm_drive(place.sw, &options), SWARM_OK);
            place_check(&place, run);
            while (again < 4 && swarm_run_again(place.sw, run) == SWARM_E_BUSY) {
                CHECK_EQ(swarm_drive(place.sw, &options), SWARM_OK);
            }
        }
        CHECK_EQ(ATOMIC_LOAD(&place.ran, relaxed), 5 * CALLS);
        CHECK_EQ(swarm_free(place.sw), SWARM_OK);
    }
}

static swarm_outcome slow_call(void *context, const swarm_call *call, uint64_t *out_value) {
    (void)context;
    (void)out_value;
    for (uint64_t i = 0; i < call->argument; i++) {
        sched_yield();
    }
    return SWARM_OUTCOME_OK;
}

/* Between two agent steps only call steps on other threads can move the run: that is no stall, also
 * at the moment when the last of them has just posted the next agent step. */
TEST(call_steps_on_threads_are_no_stall) {
    const swarm_drive_options options = {.workers = 2};
    const swarm_mock_model model = {.mean_ns = SWARM_ZERO};
    static struct turned turned; /* whose owner looks again and again instead of sleeping */
    struct place place;
    swarm_function slow;
    swarm_run run;
    swarm_plan *plan;
    swarm_step before;

    turned_init(&turned);
    place_new(&place, &turned.host, &model);
    slow = swarm_function_add(place.sw, "slow", slow_call, NULL);
    run = swarm_run_open(place.sw, NULL);
    plan = swarm_plan_open(place.sw, run);
    before = rig_step(plan);
    for (uint32_t i = 0; i < 500; i++) {
        swarm_step next = rig_step(plan);

        for (uint32_t k = 0; k < 3; k++) {
            swarm_step call = swarm_call_add(plan, slow, (i + k) % 5);

            CHECK_EQ(swarm_edge_add(plan, before, call, 0), SWARM_OK);
            CHECK_EQ(swarm_edge_add(plan, call, next, 0), SWARM_OK);
        }
        before = next;
    }
    rig_commit(plan);
    for (uint32_t again = 0; again < 5; again++) {
        CHECK_EQ(swarm_drive(place.sw, &options), SWARM_OK);
        CHECK_EQ(place_report(&place, run).ok, 2001);
        CHECK_EQ(swarm_run_again(place.sw, run), SWARM_OK);
    }
    CHECK_EQ(swarm_run_cancel(place.sw, run), SWARM_OK);
    CHECK_EQ(swarm_drive(place.sw, &options), SWARM_OK);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
}

TEST(drive_stops_when_told) {
    const swarm_mock_model model = {.mean_ns = 10 * MILLISECOND};
    static struct turned turned;
    struct place place;
    swarm_run run;
    swarm_stats stats = {0};

    turned_init(&turned);
    place_new(&place, &turned.host, &model);
    run = place_fill(&place, NULL);
    CHECK_EQ(swarm_drive(place.sw, &(swarm_drive_options){.until_ns = 9 * MILLISECOND}),
             SWARM_E_TIMED_OUT);
    CHECK_EQ(place_report(&place, run).ok, 0);
    CHECK_EQ(swarm_drive(place.sw, &(swarm_drive_options){.until_ns = 15 * MILLISECOND}),
             SWARM_E_TIMED_OUT);
    CHECK_EQ(place_report(&place, run).ok, 1 + CALLS / 2);
    CHECK_EQ(swarm_drive(place.sw, &(swarm_drive_options){.workers = 8}), SWARM_E_INVALID);
    CHECK_EQ(swarm_drive(place.sw, NULL), SWARM_OK);
    place_check(&place, run);
    run = swarm_run_open(place.sw, &growing);
    CHECK_EQ(swarm_drive(place.sw, NULL), SWARM_E_STALLED); /* open, with nothing to do */
    CHECK_EQ(swarm_run_close(place.sw, run), SWARM_OK);
    CHECK_EQ(swarm_drive(place.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_stats_get(place.sw, &stats), SWARM_OK);
    CHECK_EQ(stats.open, 0);
    CHECK_EQ(stats.log_pending, 0);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
}

/* A writer that takes some frames, refuses some, and then takes them again. */
struct writer {
    uint32_t calls;
    size_t size;
    uint64_t frames;
    unsigned char bytes[1u << 18];
};

static bool refuse_often(void *context, const void *bytes, size_t size) {
    struct writer *writer = context;

    if (++writer->calls % 3 != 0 || writer->size + size > sizeof writer->bytes) {
        return false;
    }
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
    return true;
}

TEST(a_writer_that_refuses_loses_nothing) {
    for (uint32_t simulated = 0; simulated < 2; simulated++) {
        static struct writer writer;
        static struct turned turned;
        const swarm_drive_options options = {.write = refuse_often, .write_context = &writer};
        struct place place;
        swarm_run run;
        swarm_status status = SWARM_E_AGAIN;
        swarm_log_cursor cursor = {0};
        swarm_event event = {0};
        uint32_t tries = 0;

        memset(&writer, 0, sizeof writer);
        turned_init(&turned);
        place_new(&place, &turned.host, NULL);
        run = place_fill(&place, NULL);
        while (status == SWARM_E_AGAIN && tries++ < 1000) {
            status = simulated != 0 ? swarm_sim_drive(place.sw, &options)
                                    : swarm_drive(place.sw, &options);
        }
        CHECK_EQ(status, SWARM_OK);
        CHECK(tries > 3);
        place_check(&place, run);
        while (swarm_event_next(writer.bytes, writer.size, &cursor, &event) == SWARM_OK) {
        }
        CHECK_EQ(cursor.offset, writer.size);
        CHECK_EQ(event.kind, SWARM_EVENT_RUN_END);
        CHECK_EQ(swarm_free(place.sw), SWARM_OK);
    }
}

TEST(one_instant_at_a_time) {
    struct place place;
    swarm_run run;
    swarm_status status = SWARM_E_AGAIN;
    uint64_t instants = 0;

    place_new(&place, swarm_host_default(), NULL);
    run = place_fill(&place, NULL);
    while (status == SWARM_E_AGAIN && instants < 1000) {
        swarm_stats stats = {0};

        status = swarm_sim_drive(place.sw, &(swarm_drive_options){.flags = SWARM_DRIVE_INSTANT});
        CHECK_EQ(swarm_stats_get(place.sw, &stats), SWARM_OK);
        CHECK_EQ(stats.now_ns, instants * SECOND); /* each answer takes a second */
        instants++;
    }
    CHECK_EQ(status, SWARM_OK);
    CHECK_EQ(instants, 4);
    place_check(&place, run);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
}

/* ---- drain and free */

TEST(drain_with_steps_ready) {
    for (uint32_t simulated = 0; simulated < 2; simulated++) {
        static struct turned turned;
        struct place place;
        swarm_run run;
        swarm_plan *plan;
        const swarm_drive_options until = {.until_ns = SECOND / 2}, open = {0};
        swarm_status (*drive)(swarm *, const swarm_drive_options *) =
            simulated != 0 ? swarm_sim_drive : swarm_drive;

        turned_init(&turned);
        place_new(&place, &turned.host, NULL);
        run = swarm_run_open(place.sw, NULL);
        plan = swarm_plan_open(place.sw, run);
        for (uint32_t i = 0; i < 9; i++) {
            (void)rig_step(plan);
        }
        rig_commit(plan);
        CHECK_EQ(drive(place.sw, &until), SWARM_E_TIMED_OUT);
        CHECK_EQ(swarm_free(place.sw), SWARM_E_BUSY);
        CHECK_EQ(swarm_drain(place.sw), SWARM_E_AGAIN);
        CHECK_EQ(drive(place.sw, &open), SWARM_E_STALLED); /* what is ready is not started */
        CHECK_EQ(swarm_drain(place.sw), SWARM_OK);
        CHECK_EQ(place_report(&place, run).ok, 4);
        CHECK_EQ(place_report(&place, run).attempts, 4);
        CHECK_EQ(swarm_free(place.sw), SWARM_OK);
    }
}

TEST(drain_waits_for_attempts_that_were_given_up) {
    const swarm_mock_model deaf = {.stall_ppm = 1000000, .flags = SWARM_MOCK_DEAF};
    struct place place;
    swarm_run run;
    swarm_stats stats = {0};

    place_new(&place, swarm_host_default(), &deaf);
    run = place_fill(&place, NULL);
    CHECK_EQ(swarm_sim_drive(place.sw, NULL), SWARM_E_STALLED);
    CHECK_EQ(swarm_run_cancel(place.sw, run), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(place.sw, NULL), SWARM_OK);
    CHECK_EQ(place_report(&place, run).cancelled, CALLS + 3);
    CHECK_EQ(swarm_run_forget(place.sw, run), SWARM_E_BUSY);
    CHECK_EQ(swarm_free(place.sw), SWARM_E_BUSY);
    CHECK_EQ(swarm_drain(place.sw), SWARM_E_AGAIN);
    CHECK_EQ(swarm_sim_drive(place.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_drain(place.sw), SWARM_OK);
    CHECK_EQ(swarm_stats_get(place.sw, &stats), SWARM_OK);
    CHECK_EQ(stats.inflight, 0);
    CHECK_EQ(swarm_run_forget(place.sw, run), SWARM_OK);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
}

TEST(a_thousand_swarms_one_after_the_other) {
    static unsigned char memory[1u << 20];
    const size_t odd = (size_t)(0 - (uintptr_t)memory) % 64; /* from there on it is aligned */
    const swarm_config own = {.size = sizeof own,
                              .version = SWARM_VERSION,
                              .memory = memory + odd,
                              .memory_size = sizeof memory - odd,
                              .steps_max = 256,
                              .agents_max = 8,
                              .workers_max = 2,
                              .log_bytes = 16384,
                              .demands_max = 16,
                              .plans_max = 8};
    const swarm_config hosts = {
        .size = sizeof hosts, .version = SWARM_VERSION, .host = swarm_host_default()};

    for (uint32_t i = 0; i < 1000; i++) {
        swarm *sw = NULL;
        swarm_plan *plan;

        CHECK_EQ(swarm_new(i % 2 == 0 ? &own : &hosts, &sw), SWARM_OK);
        if (test_failed()) {
            return;
        }
        plan = swarm_plan_open(sw, swarm_run_open(sw, NULL));
        (void)rig_step(plan);
        if (i % 3 != 0) {
            CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
            CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK); /* nobody there: it fails */
        }
        CHECK_EQ(swarm_free(sw), SWARM_OK);
    }
}

static void one_of_two(void *context, uint32_t member) {
    swarm **swarms = context;

    CHECK_EQ(swarm_sim_drive(swarms[member], &(swarm_drive_options){.workers = 1}), SWARM_OK);
}

TEST(two_swarms_in_two_threads) {
    static unsigned char memory[2][1u << 17];
    swarm *swarms[2];
    swarm_run runs[2];
    swarm_run_report reports[2];
    struct place places[2];

    for (uint32_t i = 0; i < 2; i++) {
        const swarm_config config = {
            .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
        swarm_profile_spec profile = {.name = "agent"};

        memset(&places[i], 0, sizeof places[i]);
        CHECK_EQ(swarm_new(&config, &swarms[i]), SWARM_OK);
        places[i].sw = swarms[i];
        places[i].mock = swarm_mock_new(NULL, memory[i], sizeof memory[i]);
        profile.backend = swarm_backend_add(swarms[i], swarm_mock_backend(places[i].mock));
        (void)swarm_agent_add(swarms[i], swarm_profile_add(swarms[i], &profile), 4);
        places[i].call = swarm_function_add(swarms[i], "call", place_call, &places[i]);
        runs[i] = place_fill(&places[i], NULL);
    }
    CHECK(crew_run(2, one_of_two, swarms));
    for (uint32_t i = 0; i < 2; i++) {
        place_check(&places[i], runs[i]);
        reports[i] = place_report(&places[i], runs[i]);
        CHECK_EQ(swarm_free(swarms[i]), SWARM_OK);
    }
    CHECK_EQ(reports[0].hash[0], reports[1].hash[0]);
    CHECK_EQ(reports[0].hash[1], reports[1].hash[1]);
}

/* ---- other threads */

/* A backend that lays attempts down for others to answer. */
struct shelf {
    swarm *sw;
    atomic_u64 attempts[1024]; /* ids; 0: none */
    atomic_u32 laid, answered, stop, questions;
    atomic_u32 asleep; /* how often somebody went to sleep without a deadline */
    swarm_host host;
    swarm_run run;
};

static void shelf_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    struct shelf *shelf = context;

    (void)ATOMIC_ADD(&shelf->asleep, timeout_ns > 1000 * SECOND, relaxed);
    swarm_host_default()->wait(NULL, address, expected, timeout_ns);
}

static swarm_status shelf_submit(void *context, swarm *sw, const swarm_request *request,
                                 uint64_t *out_until_ns) {
    struct shelf *shelf = context;
    uint32_t place = ATOMIC_ADD(&shelf->laid, 1, relaxed);

    (void)sw;
    (void)out_until_ns;
    ATOMIC_STORE(&shelf->attempts[place % 1024], request->attempt.id, release);
    return SWARM_OK;
}

static uint64_t shelf_take(struct shelf *shelf) {
    uint32_t laid = ATOMIC_LOAD(&shelf->laid, relaxed);

    for (uint32_t i = 0; i < laid && i < 1024; i++) {
        uint64_t id = ATOMIC_EXCHANGE(&shelf->attempts[i], 0, acq_rel);

        if (id != 0) {
            return id;
        }
    }
    return 0;
}

static void shelf_answer(struct shelf *shelf) {
    swarm_completion completion = {.attempt = {shelf_take(shelf)}, .usage = {.cost_nano = 1}};
    swarm_status first, second;

    if (completion.attempt.id == 0) {
        sched_yield();
        return;
    }
    completion.outcome = completion.attempt.id % 3 == 0 ? SWARM_OUTCOME_TRANSIENT : 0;
    first = swarm_complete(shelf->sw, &completion);
    second = swarm_complete(shelf->sw, &completion);
    CHECK(first == SWARM_OK || first == SWARM_E_STALE);
    CHECK(second == SWARM_E_DUPLICATE || second == SWARM_E_STALE);
    (void)ATOMIC_ADD(&shelf->answered, 1, relaxed);
}

static void shelf_ask(struct shelf *shelf, uint32_t *last_rounds) {
    swarm_stats stats = {0};

    CHECK_EQ(swarm_stats_get(shelf->sw, &stats), SWARM_OK);
    CHECK(stats.rounds >= *last_rounds);
    *last_rounds = (uint32_t)stats.rounds;
    (void)ATOMIC_ADD(&shelf->questions, 1, relaxed);
    sched_yield();
}

/* Member 0 drives; 1 and 2 answer; 3 asks, and takes the turn now and then. */
static void shelf_work(void *context, uint32_t member) {
    struct shelf *shelf = context;
    uint32_t rounds = 0, turns = 0;
    if (member == 0) {
        CHECK_EQ(swarm_drive(shelf->sw, &(swarm_drive_options){.workers = 1}), SWARM_OK);
        ATOMIC_STORE(&shelf->stop, 1, release);
        return;
    }
    if (member == 3) {
        shelf_ask(shelf, &rounds); /* also when the work is done before this thread runs */
    }
    while (ATOMIC_LOAD(&shelf->stop, acquire) == 0) {
        if (member < 3) {
            shelf_answer(shelf);
        } else {
            shelf_ask(shelf, &rounds);
            if (turns < 50 && swarm_turn_begin(shelf->sw) == SWARM_OK) {
                CHECK_EQ(swarm_turn_begin(shelf->sw), SWARM_E_AGAIN);
                (void)swarm_agent_cancel(shelf->sw, (swarm_agent){1});
                turns++;
                CHECK_EQ(swarm_turn_end(shelf->sw), SWARM_OK);
            }
        }
    }
}

static void shelf_new(struct shelf *shelf, uint32_t steps) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = &shelf->host,
                                 .cancel_grace_ns = MILLISECOND};
    const swarm_backend backend = {
        .size = sizeof backend, .name = "shelf", .context = shelf, .submit = shelf_submit};
    swarm_profile_spec profile = {.name = "agent"};
    swarm_plan *plan;
    swarm_step before = {0};

    memset(shelf, 0, sizeof *shelf);
    shelf->host = *swarm_host_default(); /* its functions look at no context */
    shelf->host.context = shelf;
    shelf->host.wait = shelf_wait;
    CHECK_EQ(swarm_new(&config, &shelf->sw), SWARM_OK);
    profile.backend = swarm_backend_add(shelf->sw, &backend);
    (void)swarm_agent_add(shelf->sw, swarm_profile_add(shelf->sw, &profile), 8);
    shelf->run = swarm_run_open(shelf->sw, NULL);
    plan = swarm_plan_open(shelf->sw, shelf->run);
    for (uint32_t i = 0; i < steps; i++) {
        swarm_step step = swarm_step_add(
            plan, &(swarm_step_spec){.retry = {.attempts_max = 100, .backoff_ns = 1000}});

        if (i % 4 != 0) {
            CHECK_EQ(swarm_edge_add(plan, before, step, 0), SWARM_OK);
        }
        before = step;
    }
    rig_commit(plan);
}

static void shelf_free(struct shelf *shelf) {
    CHECK_EQ(swarm_run_check(shelf->sw, shelf->run, NULL), SWARM_OK);
    if (swarm_drain(shelf->sw) == SWARM_E_AGAIN) {
        CHECK_EQ(swarm_drive(shelf->sw, NULL), SWARM_OK);
    }
    CHECK_EQ(swarm_free(shelf->sw), SWARM_OK);
}

TEST(answers_cancels_and_questions_from_other_threads) {
    static struct shelf shelf;
    swarm_run_report report = {0};

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (uint32_t round = 0; round < 5; round++) {
        shelf_new(&shelf, 200);
        CHECK(crew_run(4, shelf_work, &shelf));
        CHECK_EQ(swarm_run_report_get(shelf.sw, shelf.run, &report), SWARM_OK);
        CHECK_EQ(report.ok, 200);
        CHECK(ATOMIC_LOAD(&shelf.questions, relaxed) != 0);
        shelf_free(&shelf);
    }
}

/* The owner sleeps, for nothing has a deadline; who wants the turn gets it all the same. */
static void sleeper_work(void *context, uint32_t member) {
    struct shelf *shelf = context;

    if (member == 0) {
        CHECK_EQ(swarm_drive(shelf->sw, NULL), SWARM_OK);
        return;
    }
    for (uint32_t turns = 0, slept = 0; turns < 5; turns++) {
        uint32_t tries = 0;

        while (turns != 0 && ATOMIC_LOAD(&shelf->asleep, relaxed) == slept) {
            sched_yield();
        }
        while (swarm_turn_begin(shelf->sw) != SWARM_OK && tries++ < 1000000) {
            sched_yield();
        }
        CHECK(tries < 1000000);
        if (tries >= 1000000) {
            break;
        }
        slept =
            ATOMIC_LOAD(&shelf->asleep, relaxed); /* the owner is awake: it waits for the turn */
        CHECK_EQ(swarm_turn_end(shelf->sw), SWARM_OK);
    }
    while (ATOMIC_LOAD(&shelf->answered, relaxed) < 1) {
        shelf_answer(shelf);
    }
}

TEST(a_sleeping_owner_hears_who_wants_the_turn) {
    static struct shelf shelf;

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (uint32_t round = 0; round < 3; round++) {
        shelf_new(&shelf, 1);
        while (ATOMIC_LOAD(&shelf.laid, relaxed) == 0) { /* at an attempt without an end */
            CHECK_EQ(swarm_drive(shelf.sw, &(swarm_drive_options){.flags = SWARM_DRIVE_INSTANT}),
                     SWARM_E_AGAIN);
        }
        if (ATOMIC_LOAD(&shelf.attempts[0], relaxed) % 3 == 0) {
            (void)swarm_run_cancel(shelf.sw, shelf.run);
        }
        CHECK(crew_run(2, sleeper_work, &shelf));
        shelf_free(&shelf);
    }
}

/* The caller's job system: every thread works, and whoever gets the turn takes a round. */
struct system {
    struct place place;
    swarm_run run;
    atomic_u32 over;
    atomic_u64 now_ns;
};

static void system_round(struct system *system) {
    swarm *sw = system->place.sw;
    static unsigned char frames[1u << 16]; /* of whoever has the turn */
    swarm_request requests[8];
    uint32_t count;
    swarm_stats stats = {0};

    (void)swarm_advance(sw, ATOMIC_ADD(&system->now_ns, 1000, relaxed), NULL);
    while (swarm_log_read(sw, frames, sizeof frames, NULL) != 0) {
    }
    CHECK_EQ(swarm_log_acknowledge(sw), SWARM_OK);
    while ((count = swarm_take(sw, requests, 8)) != 0) {
        for (uint32_t i = 0; i < count; i++) {
            CHECK_EQ(swarm_complete(sw, &(swarm_completion){.attempt = requests[i].attempt}),
                     SWARM_OK);
        }
    }
    CHECK_EQ(swarm_stats_get(sw, &stats), SWARM_OK);
    if (stats.open == 0) {
        ATOMIC_STORE(&system->over, 1, release);
    }
}

static void system_work(void *context, uint32_t member) {
    struct system *system = context;

    while (ATOMIC_LOAD(&system->over, acquire) == 0) {
        if (swarm_work(system->place.sw, member, 16) != 0) {
            continue;
        }
        if (swarm_turn_begin(system->place.sw) == SWARM_OK) {
            system_round(system);
            CHECK_EQ(swarm_turn_end(system->place.sw), SWARM_OK);
        } else {
            sched_yield();
        }
    }
}

TEST(the_caller_s_threads_hand_the_turn_round) {
    static struct system system;

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (uint32_t round = 0; round < 10; round++) {
        memset(&system, 0, sizeof system);
        place_new(&system.place, swarm_host_default(), NULL);
        system.run = place_fill(&system.place, NULL);
        CHECK_EQ(swarm_turn_end(system.place.sw), SWARM_OK);
        CHECK_EQ(swarm_turn_end(system.place.sw), SWARM_E_BUSY);
        CHECK_EQ(swarm_run_close(system.place.sw, system.run), SWARM_E_BUSY);
        CHECK(crew_run(4, system_work, &system));
        CHECK_EQ(swarm_turn_begin(system.place.sw), SWARM_OK);
        place_check(&system.place, system.run);
        CHECK_EQ(ATOMIC_LOAD(&system.place.ran, relaxed), CALLS);
        CHECK_EQ(swarm_free(system.place.sw), SWARM_OK);
    }
}

/* ---- an event loop: nothing is looked at before a wakeup or a deadline */

struct loop {
    uint32_t wakeups;
};

static void loop_wakeup(void *context) {
    ((struct loop *)context)->wakeups++;
}

/* True when there was a wakeup since the last question. */
static bool loop_woken(struct loop *loop) {
    bool woken = loop->wakeups != 0;

    loop->wakeups = 0;
    return woken;
}

TEST(an_event_loop_needs_wakeups_and_deadlines_only) {
    struct loop loop = {0};
    const swarm_config config = {.wakeup = loop_wakeup, .wakeup_context = &loop};
    struct rig *rig = rig_new(&config, 2);
    struct place place = {.sw = rig->sw};
    swarm_run run;
    swarm_plan *plan;
    swarm_step step, call;

    place.call = swarm_function_add(rig->sw, "call", place_call, &place);
    plan = rig_plan(rig, NULL, &run);
    step = swarm_step_add(plan, &(swarm_step_spec){.retry = {.attempts_max = 9, .backoff_ns = 50}});
    call = swarm_call_add(plan, place.call, 1);
    CHECK_EQ(swarm_edge_add(plan, step, call, 0), SWARM_OK);
    rig_commit(plan);
    CHECK_EQ(swarm_next_deadline(rig->sw), 0);
    rig_at(rig, 0);
    (void)loop_woken(&loop);
    rig_at(rig, 1);
    CHECK(!loop_woken(&loop)); /* nothing happened */
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_TRANSIENT), SWARM_OK);
    CHECK(loop_woken(&loop));
    rig_at(rig, 2);
    (void)loop_woken(&loop);
    CHECK_EQ(swarm_next_deadline(rig->sw), 52);
    rig_at(rig, 52);
    CHECK_EQ(swarm_turn_end(rig->sw), SWARM_OK);
    CHECK_EQ(rig_post(rig, 0, SWARM_OUTCOME_OK), SWARM_OK); /* nobody is the owner */
    CHECK(loop_woken(&loop));
    CHECK_EQ(swarm_turn_begin(rig->sw), SWARM_OK);
    CHECK_EQ(swarm_turn_end(rig->sw), SWARM_OK);
    CHECK(loop_woken(&loop)); /* the post is still there */
    CHECK_EQ(swarm_turn_begin(rig->sw), SWARM_OK);
    CHECK_EQ(swarm_advance(rig->sw, 53, NULL), SWARM_OK);
    (void)loop_woken(&loop);
    (void)rig_read(rig);
    CHECK(loop_woken(&loop)); /* a call step was released: a worker should work */
    CHECK_EQ(swarm_work(rig->sw, 0, 10), 1);
    CHECK_EQ(swarm_next_deadline(rig->sw), 0); /* the wakeup was not served yet */
    rig_settle(rig);
    rig_check_run(rig, run);
    CHECK_EQ(swarm_run_cancel(rig->sw, run), SWARM_OK);
    CHECK(loop_woken(&loop));
    rig_settle(rig);
    rig_free(rig);
}

TEST(hosts_that_lack_something) {
    swarm_host host = *swarm_host_default();
    struct place place;
    swarm_run run;

    host.clock = NULL;
    place_new(&place, &host, NULL);
    run = place_fill(&place, NULL);
    CHECK_EQ(swarm_drive(place.sw, NULL), SWARM_E_UNSUPPORTED);
    CHECK_EQ(swarm_sim_drive(place.sw, &(swarm_drive_options){.workers = 3}), SWARM_OK);
    place_check(&place, run);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
    host = *swarm_host_default();
    host.thread_start = NULL;
    place_new(&place, &host, NULL);
    run = place_fill(&place, NULL);
    CHECK_EQ(swarm_drive(place.sw, &(swarm_drive_options){.workers = 1}), SWARM_E_UNSUPPORTED);
    CHECK_EQ(swarm_sim_drive(place.sw, &(swarm_drive_options){.workers = 3}), SWARM_OK);
    place_check(&place, run);
    CHECK_EQ(swarm_free(place.sw), SWARM_OK);
}

TEST_MAIN()
