/* SPDX-License-Identifier: MIT */
/*
 * The determinism contract (design, section 6): the same seed, configuration, plans and results
 * give the same log, byte for byte, and the same hashes, whatever the number of workers, the
 * threads, the sizes of deques, the memory's address, the pace of acknowledgements, and the way of
 * driving.
 *
 * A scenario is a seed. It has two runs that share agents and permits: a growing one whose call
 * steps expand (by way of dispatch and on workers), reduce, fail, and pass on continuations; and a
 * static one with delays and priorities. Agents are slow, fail, stall, throttle and answer twice;
 * steps, subtrees, agents and a run are cancelled on the way.
 *
 * The golden hashes at the end change only together with SWARM_TRACE_VERSION. --print prints them.
 */
#include "test_dispatch.h"

#include "../backends/mock/swarm_mock.h"

#define SEEDS 60u
#define LOG_MAX (1u << 21)
#define BLOCK_MAX (1u << 23)
#define LEVELS 4u
#define FOR_EVER (UINT64_MAX / 2)

enum { WHOLE, INSTANTS, BY_HAND };

struct variant {
    const char *name;
    uint32_t workers; /* besides the caller */
    uint32_t deque_size, spin, drive;
    uint32_t shift;     /* of the memory, in units of 64 bytes */
    uint64_t log_bytes; /* SWARM_NEVER: hashes and log cannot be compared */
    bool threads;
};

/* What came of it. */
struct trace {
    uint64_t hash[2][2];
    swarm_run_report report[2];
    size_t size;
    uint64_t rounds;
    unsigned char log[LOG_MAX];
};

struct scene {
    swarm *sw;
    swarm_mock *mock;
    const swarm_backend *backend;
    swarm_run runs[2];
    swarm_function expand, reduce, plain, spread;
    swarm_step roots[4];
    struct trace *trace;
    uint64_t seed;
    uint64_t draws;
    bool draining;
};

static unsigned char mock_memory[1u << 19];
static unsigned char block[BLOCK_MAX];
static struct trace base_trace, other_trace;

static uint64_t draw(struct scene *scene, uint64_t bound) {
    return random_below(random_draw(scene->seed, 7, scene->draws++), bound);
}

/* ---- call steps: what they do depends on their argument and their inputs alone */

static uint64_t mixed(const struct scene *scene, const swarm_call *call) {
    uint64_t sum = hash_mix64(scene->seed, call->argument);

    for (uint32_t i = 0; i < call->inputs; i++) {
        swarm_result input = {0};

        CHECK_EQ(swarm_call_input(call, i, &input), SWARM_OK);
        sum = hash_mix64(sum, input.value); /* not commutative: the order of inputs counts */
    }
    return sum;
}

static swarm_outcome scene_reduce(void *context, const swarm_call *call, uint64_t *out_value) {
    uint64_t sum = mixed(context, call);

    *out_value = sum;
    return sum % 17 == 0 ? SWARM_OUTCOME_TRANSIENT : SWARM_OUTCOME_OK;
}

/* A plain step that adds plain steps on its worker, or mixed ones by way of dispatch, as long as
 * its argument allows. */
static swarm_outcome scene_spread(void *context, const swarm_call *call, uint64_t *out_value) {
    struct scene *scene = context;
    uint64_t sum = mixed(scene, call), level = call->argument % LEVELS;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step first = {0};

    *out_value = sum;
    for (uint64_t i = 0; level != 0 && i < 2 + sum % 3; i++) {
        uint64_t argument = (sum >> 8) / LEVELS * LEVELS + i * LEVELS * 16 + level - 1;
        swarm_step step =
            i == 1 && sum % 3 != 0
                ? swarm_step_add(
                      plan, &(swarm_step_spec){.argument = sum % 999, .run_timeout_ns = 7 * SECOND})
                : swarm_call_add(plan, scene->spread, argument);

        if (i == 0) {
            first = step;
        } else if (sum % 5 != 0) {
            CHECK_EQ(swarm_edge_add(plan, first, step, 0), SWARM_OK);
        }
    }
    return sum % 23 == 0 ? SWARM_OUTCOME_TERMINAL : SWARM_OUTCOME_OK;
}

static void expand_step(struct scene *scene, swarm_plan *plan, uint64_t sum, swarm_step join) {
    const swarm_step_spec agent = {.argument = sum % 1000,
                                   .run_timeout_ns = 5 * SECOND,
                                   .priority = (uint32_t)(sum % 3),
                                   .retry = {.attempts_max = 1 + (uint32_t)(sum % 3),
                                             .backoff_ns = 1 + sum % SECOND,
                                             .jitter_ppm = 300000}};
    swarm_step worker = swarm_step_add(plan, &agent);
    swarm_step call = swarm_step_add(
        plan,
        &(swarm_step_spec){.function = scene->reduce, .argument = sum, .flags = SWARM_STEP_INPUTS});

    CHECK_EQ(swarm_edge_add(plan, worker, call, sum % 4 == 0 ? 1 + sum % SECOND : 0), SWARM_OK);
    if (sum % 3 != 0) {
        CHECK_EQ(swarm_edge_add(plan, call, join, 0), SWARM_OK);
    }
}

/* Adds workers with reducers, a join, and perhaps itself again; some plans continue it. */
static swarm_outcome scene_expand(void *context, const swarm_call *call, uint64_t *out_value) {
    struct scene *scene = context;
    uint64_t sum = mixed(scene, call), level = call->argument % LEVELS;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_step join = swarm_step_add(plan, &(swarm_step_spec){.function = scene->reduce,
                                                              .argument = sum / 3,
                                                              .flags = SWARM_STEP_INPUTS});

    *out_value = sum;
    for (uint64_t i = 0; i < 1 + sum % 4; i++) {
        expand_step(scene, plan, hash_mix64(sum, i), join);
    }
    (void)swarm_call_add(plan, scene->spread, sum / LEVELS * LEVELS + 2);
    (void)swarm_range_add(plan, scene->plain, sum, 1 + sum % 300);
    if (level != 0) {
        swarm_step next =
            swarm_step_add(plan, &(swarm_step_spec){.function = scene->expand,
                                                    .argument = sum / LEVELS * LEVELS + level - 1,
                                                    .flags = SWARM_STEP_INPUTS});

        CHECK_EQ(swarm_edge_add(plan, join, next, 0), SWARM_OK);
    } else if (sum % 2 == 0) {
        (void)swarm_plan_continue(plan, swarm_call_add(plan, scene->plain, sum));
    }
    return sum % 19 == 0 ? SWARM_OUTCOME_GARBAGE : SWARM_OUTCOME_OK;
}

static swarm_outcome scene_plain(void *context, const swarm_call *call, uint64_t *out_value) {
    *out_value = mixed(context, call);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome scene_answer(void *context, const swarm_request *request,
                                  swarm_result *out_result) {
    const struct scene *scene = context;

    out_result->value = hash_mix64(scene->seed, request->ordinal);
    out_result->digest = hash_mix64(out_result->value, 3);
    return SWARM_OUTCOME_OK;
}

/* ---- building */

static void scene_fleet(struct scene *scene) {
    const swarm_mock_model model = {.kind = (uint32_t)draw(scene, 4),
                                    .sigma_ppm = 700000,
                                    .mean_ns = SECOND,
                                    .failure_ppm = 60000,
                                    .stall_ppm = 20000,
                                    .throttle_ppm = 30000,
                                    .garbage_ppm = 20000,
                                    .duplicate_ppm = 50000,
                                    .late_ppm = 300000,
                                    .cancel_latency_ns = SECOND / 4,
                                    .input_tokens = 100,
                                    .output_tokens = 50,
                                    .price = {1, 2, 1, 3}};
    const swarm_mock_spec spec = {.size = sizeof spec,
                                  .seed = scene->seed,
                                  .models = &model,
                                  .models_count = 1,
                                  .context = scene,
                                  .answer = scene_answer,
                                  .inflight_max = draw(scene, 2) == 0 ? 5 : 0};
    swarm_profile_spec profile = {.name = "agent", .inflight_max = 1 + (uint32_t)draw(scene, 2)};

    scene->mock = swarm_mock_new(&spec, mock_memory, sizeof mock_memory);
    CHECK(scene->mock != NULL);
    scene->backend = swarm_mock_backend(scene->mock);
    profile.backend = swarm_backend_add(scene->sw, scene->backend);
    (void)swarm_agent_add(scene->sw, swarm_profile_add(scene->sw, &profile),
                          2 + (uint32_t)draw(scene, 12));
    (void)swarm_permit_add(scene->sw, "permit", 2 + draw(scene, 4));
    scene->expand = swarm_function_add(scene->sw, "expand", scene_expand, scene);
    scene->reduce = swarm_function_add(scene->sw, "reduce", scene_reduce, scene);
    scene->plain = swarm_function_add(scene->sw, "plain", scene_plain, scene);
    scene->spread = swarm_function_add(scene->sw, "spread", scene_spread, scene);
    CHECK_EQ(swarm_fault(scene->sw, NULL), SWARM_OK);
}

static void scene_growing(struct scene *scene) {
    const swarm_run_spec spec = {.key = 1,
                                 .seed = scene->seed,
                                 .order = (uint32_t)draw(scene, 6),
                                 .flags = SWARM_RUN_GROWING};
    swarm_plan *plan;

    scene->runs[0] = swarm_run_open(scene->sw, &spec);
    plan = swarm_plan_open(scene->sw, scene->runs[0]);
    for (uint32_t i = 0; i < 4; i++) {
        swarm_step agent =
            swarm_step_add(plan, &(swarm_step_spec){.argument = i, .run_timeout_ns = 9 * SECOND});

        scene->roots[i] = swarm_step_add(
            plan, &(swarm_step_spec){.function = scene->expand,
                                     .argument = draw(scene, 1000) * LEVELS + LEVELS - 1,
                                     .flags = SWARM_STEP_INPUTS});
        if (i % 2 == 0) {
            CHECK_EQ(swarm_edge_add(plan, agent, scene->roots[i], 0), SWARM_OK);
        }
        (void)swarm_call_add(plan, scene->spread, draw(scene, 1000) * LEVELS + LEVELS - 1);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_close(scene->sw, scene->runs[0]), SWARM_OK);
}

static void scene_static(struct scene *scene) {
    const swarm_run_spec spec = {.key = 2, .order = (uint32_t)draw(scene, 6), .inflight_max = 5};
    const uint32_t count = 20 + (uint32_t)draw(scene, 60);
    swarm_step steps[80];
    swarm_plan *plan;

    scene->runs[1] = swarm_run_open(scene->sw, &spec);
    plan = swarm_plan_open(scene->sw, scene->runs[1]);
    for (uint32_t i = 0; i < count; i++) {
        const swarm_need need = {{1}, 1 + draw(scene, 2)};
        swarm_step_spec step = {.argument = i,
                                .order_key = draw(scene, 4),
                                .estimate_ns = draw(scene, 100),
                                .run_timeout_ns = 4 * SECOND,
                                .retry = {.attempts_max = 3},
                                .needs = &need,
                                .needs_count = (uint32_t)draw(scene, 2)};

        steps[i] = i % 5 == 4 ? swarm_call_add(plan, scene->plain, i) : swarm_step_add(plan, &step);
        for (uint64_t k = draw(scene, 3); i != 0 && k != 0; k--) {
            uint32_t from = (uint32_t)draw(scene, i);
            bool timed = from % 5 != 4 && i % 5 != 4 && draw(scene, 3) == 0;
            uint64_t delay_ns = draw(scene, 2) == 0 ? SWARM_ZERO : SECOND;

            CHECK_EQ(swarm_edge_add(plan, steps[from], steps[i], timed ? delay_ns : 0), SWARM_OK);
        }
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
}

/* ---- driving */

static bool keep_log(void *context, const void *bytes, size_t size) {
    struct scene *scene = context;
    struct trace *trace = scene->trace;

    if (trace->size + size > LOG_MAX) {
        CHECK(trace->size + size <= LOG_MAX);
        return false;
    }
    memcpy(trace->log + trace->size, bytes, size);
    trace->size += size;
    return true;
}

static void hand_out(struct scene *scene, const swarm_request *request) {
    const swarm_backend *backend = scene->backend;
    swarm_completion refused = {.attempt = request->attempt, .outcome = SWARM_OUTCOME_REFUSED};
    swarm_stats stats = {0};

    if (request->kind == SWARM_REQUEST_CANCEL) {
        backend->cancel(backend->context, scene->sw, request);
    } else if (request->kind == SWARM_REQUEST_RELEASE) {
        backend->release(backend->context, &request->result);
    } else if (backend->submit(backend->context, scene->sw, request, &refused.until_ns) !=
               SWARM_OK) {
        (void)swarm_stats_get(scene->sw, &stats);
        refused.until_ns = refused.until_ns > stats.now_ns ? refused.until_ns : stats.now_ns + 1;
        CHECK_EQ(swarm_complete(scene->sw, &refused), SWARM_OK);
    }
}

/* A loop of the caller's own, which reads and acknowledges the log in every third pass only and
 * works in small bites. */
static swarm_status drive_by_hand(struct scene *scene, uint64_t until_ns) {
    swarm_stats stats = {0};
    uint64_t now_ns;

    (void)swarm_stats_get(scene->sw, &stats);
    now_ns = stats.now_ns;
    for (uint64_t pass = 0, idle = 0;; pass++) {
        swarm_request requests[3];
        bool changed = false;
        uint64_t next, due;
        uint32_t count;
        static unsigned char frames[1u << 17];

        scene->backend->poll(scene->backend->context, scene->sw, now_ns);
        while (swarm_work(scene->sw, (uint32_t)pass % 8, 3) != 0) {
        }
        CHECK_EQ(swarm_advance(scene->sw, now_ns, &changed), SWARM_OK);
        if (pass % 3 == 0) {
            size_t size = swarm_log_read(scene->sw, frames, sizeof frames, NULL);

            CHECK(keep_log(scene, frames, size));
            CHECK_EQ(swarm_log_acknowledge(scene->sw), SWARM_OK);
            changed = changed || size != 0;
        }
        while ((count = swarm_take(scene->sw, requests, 3)) != 0) {
            for (uint32_t i = 0; i < count; i++) {
                hand_out(scene, &requests[i]);
            }
            changed = true;
        }
        next = swarm_next_deadline(scene->sw);
        due = scene->backend->deadline(scene->backend->context);
        next = due < next ? due : next;
        idle = changed || next <= now_ns ? 0 : idle + 1;
        (void)swarm_stats_get(scene->sw, &stats);
        if (idle < 4) {
            continue;
        }
        if (stats.open == 0 && (!scene->draining || stats.inflight == 0)) {
            return SWARM_OK;
        }
        if (next > until_ns) {
            CHECK_EQ(swarm_advance(scene->sw, until_ns, &changed), SWARM_OK);
            return SWARM_E_TIMED_OUT;
        }
        now_ns = next;
        idle = 0;
    }
}

static swarm_status drive(struct scene *scene, const struct variant *variant, uint64_t until_ns) {
    const swarm_drive_options options = {.write = keep_log,
                                         .write_context = scene,
                                         .until_ns = until_ns,
                                         .workers = variant->workers,
                                         .flags =
                                             variant->drive == INSTANTS ? SWARM_DRIVE_INSTANT : 0};
    swarm_status status;

    if (variant->drive == BY_HAND) {
        return drive_by_hand(scene, until_ns);
    }
    do {
        status = swarm_sim_drive(scene->sw, &options);
    } while (variant->drive == INSTANTS && status == SWARM_E_AGAIN);
    return status;
}

static void cancel_some(struct scene *scene) {
    switch (draw(scene, 6)) {
    case 0:
        CHECK_EQ(swarm_run_cancel(scene->sw, scene->runs[draw(scene, 2)]), SWARM_OK);
        break;
    case 1:
        CHECK_EQ(swarm_agent_cancel(scene->sw, (swarm_agent){1 + draw(scene, 2)}), SWARM_OK);
        break;
    case 2:
        CHECK_EQ(swarm_step_cancel(scene->sw, scene->roots[draw(scene, 4)]), SWARM_OK);
        break;
    default:
        CHECK_EQ(swarm_subtree_cancel(scene->sw, scene->roots[draw(scene, 4)]), SWARM_OK);
        break;
    }
}

static void scene_new(struct scene *scene, const struct variant *variant) {
    swarm_host host = *swarm_host_default();
    swarm_config config = {.size = sizeof config,
                           .version = SWARM_VERSION,
                           .host = &host,
                           .seed = scene->seed,
                           .cancel_grace_ns = 2 * SECOND,
                           .workers_max = 8,
                           .steps_max = 20000,
                           .tracked_max = 6000,
                           .log_bytes = variant->log_bytes,
                           .deque_size = variant->deque_size,
                           .spin = variant->spin};
    static swarm_host kept;
    size_t odd = (size_t)(0 - (uintptr_t)block) % 64; /* from there on it is aligned */

    kept = host; /* borrowed for the swarm's life */
    if (!variant->threads) {
        kept.thread_start = NULL;
    }
    config.host = &kept;
    config.memory = block + odd + 64 * (size_t)variant->shift;
    config.memory_size = BLOCK_MAX - odd - 64 * (size_t)variant->shift;
    memset(block, 0x5a + (int)variant->shift, BLOCK_MAX);
    CHECK_EQ(swarm_new(&config, &scene->sw), SWARM_OK);
}

/* Plays the scenario `seed` and keeps its trace. */
static void play(uint64_t seed, const struct variant *variant, struct trace *trace) {
    static struct scene scene;
    swarm_stats stats = {0};
    swarm_status status = SWARM_E_TIMED_OUT;

    memset(&scene, 0, sizeof scene);
    trace->size = 0;
    scene.seed = seed;
    scene.trace = trace;
    scene_new(&scene, variant);
    scene_fleet(&scene);
    scene_growing(&scene);
    scene_static(&scene);
    for (uint64_t i = 1; i < 5; i++) {
        uint64_t until_ns = i * SECOND * 3 + draw(&scene, SECOND);

        if (status == SWARM_E_TIMED_OUT) {
            status = drive(&scene, variant, until_ns);
        }
        if (draw(&scene, 2) == 0 && status == SWARM_E_TIMED_OUT) {
            cancel_some(&scene);
        }
    }
    status = status == SWARM_OK ? status : drive(&scene, variant, FOR_EVER);
    CHECK_EQ(status, SWARM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQ(swarm_run_report_get(scene.sw, scene.runs[i], &trace->report[i]), SWARM_OK);
        CHECK_EQ(swarm_run_check(scene.sw, scene.runs[i], NULL), SWARM_OK);
        memcpy(trace->hash[i], trace->report[i].hash, sizeof trace->hash[i]);
    }
    scene.draining = true; /* what was given up may still be in flight */
    if (swarm_drain(scene.sw) == SWARM_E_AGAIN) {
        CHECK_EQ(drive(&scene, variant, FOR_EVER), SWARM_OK);
    }
    CHECK_EQ(swarm_stats_get(scene.sw, &stats), SWARM_OK);
    trace->rounds = stats.rounds;
    CHECK_EQ(swarm_free(scene.sw), SWARM_OK);
}

/* ---- comparing */

static void compare(uint64_t seed, const struct variant *variant, bool bytes) {
    size_t at = 0;
    bool same;

    for (uint32_t i = 0; i < 2; i++) {
        struct trace *a = &base_trace, *b = &other_trace;

        if (variant->log_bytes == SWARM_NEVER) { /* same decisions, no hash */
            memset(b->report[i].hash, 0, sizeof b->report[i].hash);
            memcpy(b->report[i].hash, a->report[i].hash, sizeof b->report[i].hash);
        }
        CHECK(memcmp(&a->report[i], &b->report[i], sizeof a->report[i]) == 0);
    }
    same = !bytes || (base_trace.size == other_trace.size &&
                      memcmp(base_trace.log, other_trace.log, base_trace.size) == 0);
    CHECK(same);
    if (test_failed()) {
        while (at < base_trace.size && base_trace.log[at] == other_trace.log[at]) {
            at++;
        }
        printf("# seed %" PRIu64 ", %s: %zu against %zu bytes, first difference at %zu\n", seed,
               variant->name, base_trace.size, other_trace.size, at);
    }
}

static const struct variant plain_variant = {"plain", 0, 1024, 200, WHOLE, 0, 0, true};

static const struct variant variants[] = {
    {"again", 0, 1024, 200, WHOLE, 0, 0, true},
    {"2 workers", 1, 1024, 200, WHOLE, 0, 0, true},
    {"8 workers", 7, 1024, 200, WHOLE, 0, 0, true},
    {"8 indices without threads", 7, 1024, 200, WHOLE, 0, 0, false},
    {"3 indices, small deques", 2, 2, 200, WHOLE, 0, 0, false},
    {"2 workers, small deques, no spin", 1, 4, SWARM_NONE, WHOLE, 0, 0, true},
    {"elsewhere in memory", 0, 1024, 200, WHOLE, 977, 0, true},
    {"instant by instant", 0, 1024, 200, INSTANTS, 0, 0, true},
    {"instant by instant, 2 workers", 1, 1024, 200, INSTANTS, 3, 0, true},
    {"by hand, late acknowledgements", 0, 8, 200, BY_HAND, 0, 0, true},
};

TEST(the_log_is_the_same_whoever_runs_it) {
    uint64_t seeds = test_long ? 10 * SEEDS : SEEDS;

    for (uint64_t seed = 1; seed <= seeds && !test_failed(); seed++) {
        play(test_seed * 1000 + seed, &plain_variant, &base_trace);
        CHECK(base_trace.size > 4000);
        for (size_t i = 0; i < sizeof variants / sizeof variants[0] && !test_failed(); i++) {
            play(test_seed * 1000 + seed, &variants[i], &other_trace);
            compare(test_seed * 1000 + seed, &variants[i], true);
            CHECK(variants[i].drive == BY_HAND || other_trace.rounds != 0);
        }
    }
}

/* Another ring cuts frames elsewhere: the same events, so the same hashes of the runs. */
TEST(the_size_of_the_ring_is_not_seen) {
    static const struct variant small = {"small ring", 0, 1024, 200, WHOLE, 5, 32768, true};
    static const struct variant none = {"no log", 1, 1024, 200, WHOLE, 9, SWARM_NEVER, true};

    for (uint64_t seed = 1; seed <= SEEDS / 2 && !test_failed(); seed++) {
        play(test_seed * 1000 + seed, &plain_variant, &base_trace);
        play(test_seed * 1000 + seed, &small, &other_trace);
        compare(test_seed * 1000 + seed, &small, false);
        play(test_seed * 1000 + seed, &none, &other_trace);
        CHECK_EQ(other_trace.hash[0][0] | other_trace.hash[1][1], 0);
        compare(test_seed * 1000 + seed, &none, false);
    }
}

/* Scenarios exercise what they are meant to: else equal logs would prove little. */
TEST(scenarios_are_not_dull) {
    uint64_t ok = 0, failed = 0, timed_out = 0, cancelled = 0, skipped = 0, retries = 0, fenced = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        play(seed, &plain_variant, &base_trace);
        for (uint32_t i = 0; i < 2; i++) {
            const swarm_run_report *r = &base_trace.report[i];

            ok += r->ok;
            failed += r->failed;
            timed_out += r->timed_out;
            cancelled += r->cancelled;
            skipped += r->skipped;
            retries += r->retries;
            fenced += r->fenced;
        }
    }
    CHECK(ok > 3000 && failed > 50 && timed_out > 10 && cancelled > 100 && skipped > 100);
    CHECK(retries > 50 && fenced > 50);
    play(1, &plain_variant, &base_trace);
    play(2, &plain_variant, &other_trace);
    CHECK(base_trace.hash[0][0] != other_trace.hash[0][0]);
    CHECK(base_trace.hash[1][1] != other_trace.hash[1][1]);
}

/* ---- golden hashes */

/* Change only with SWARM_TRACE_VERSION; made by --print. */
static const uint64_t golden[][4] = {
    {0x36b97489845be281, 0xbe05b9d52bf0288e, 0xce41f6743947fe21, 0xe7eb434c5eedfa3a},
    {0x1d9d35501aa722dc, 0x2e6a259d0be7e759, 0xae487d4866d5703c, 0xb15f4638a8c713b5},
    {0x715ffaf69d5715be, 0x91413e43dd7f75d0, 0x4a1ee70423aa4859, 0xe80babd137b6140b},
    {0xc0dd8c59bd7913e5, 0x3371c6e7b822651d, 0xdd74e679aecffa96, 0x6a9bc43c456bf405},
    {0xd3968b7065899ddb, 0x02aaaadc8df2c60d, 0xed12a051fb239e2d, 0xea554ff8ff9f8071},
    {0x73f0de2328782cfe, 0xb89285cca317d767, 0xfa1a4bb5c4af591b, 0xef0e37bf447d2146},
    {0xb11e3f312fb51bdf, 0x498e098c0dea3be0, 0xbb5587a2dffc422c, 0xf9c0100b6dc7fac5},
    {0x7f6baab1fc1b0345, 0x8a09fe465f61d0d5, 0xdef34b9b1b00f3a2, 0x2da988bd2b4d18e5},
    {0x067dc552f5bf03a8, 0x7b9435aa65f00252, 0x627e5eaeba8b2047, 0xce752cfc883e98d6},
    {0xf9f0f693d01fff10, 0xbf1463f7ccd6751a, 0x466e7f5e9c115b16, 0x61d39014d8f1f846},
};

#define GOLDEN_SEED 77000u
#define GOLDEN 10u

TEST(golden_hashes) {
    for (uint64_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        play(GOLDEN_SEED + i, &plain_variant, &base_trace);
        CHECK_EQ(base_trace.hash[0][0], golden[i][0]);
        CHECK_EQ(base_trace.hash[0][1], golden[i][1]);
        CHECK_EQ(base_trace.hash[1][0], golden[i][2]);
        CHECK_EQ(base_trace.hash[1][1], golden[i][3]);
    }
}

static int print_golden(void) {
    for (uint64_t i = 0; i < GOLDEN; i++) {
        play(GOLDEN_SEED + i, &plain_variant, &base_trace);
        printf("    {0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x%016" PRIx64 ", 0x%016" PRIx64 "},\n",
               base_trace.hash[0][0], base_trace.hash[0][1], base_trace.hash[1][0],
               base_trace.hash[1][1]);
    }
    return test_failed();
}

int main(int count, char **arguments) {
    return count == 2 && strcmp(arguments[1], "--print") == 0 ? print_golden()
                                                              : test_main(count, arguments);
}
