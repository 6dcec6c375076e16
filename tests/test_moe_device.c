/* SPDX-License-Identifier: MIT */
/*
 * The GPU half on the emulated GPU: the kernels against float64, their bits in any batch and any
 * order of threads, each driver call failing once, a lost context, and what opening refuses.
 */
#include <dlfcn.h>

#include "../backends/moe/moe_state.h"
#include "../backends/moe/moe_work.h"
#include "../backends/moe/swarm_moe_emulated.h"
#include "test_moe.h"

#define DEVICE_ALLOWED 2.5e-2
#define OUT_OF_MEMORY 2
#define LAUNCH_FAILED 719

/* Kept from test to test: hundreds of GPUs are opened here. */
static const swarm_moe_driver *gpu(swarm_moe_emulated_spec spec) {
    static void *memory;
    static size_t room;
    size_t size = swarm_moe_emulated_size(&spec);

    if (size > room) {
        free(memory);
        memory = aligned_alloc(64, size);
        room = size;
    }
    return swarm_moe_emulated_open(&spec, memory);
}

static void check_nothing_left(void) {
    swarm_moe_emulated_stats stats;

    swarm_moe_emulated_stats_get(&stats);
    CHECK_EQ(stats.allocations, 0);
    CHECK_EQ(stats.contexts, 0);
    CHECK_EQ(stats.current, 0);
    CHECK_EQ(stats.modules, 0);
    CHECK_EQ(stats.streams, 0);
    CHECK_EQ(stats.events, 0);
}

/* ---- the kernels */

static void check_model(uint32_t which, const char *letters) {
    struct moe_model model;
    swarm_moe_stats stats;

    if (!moe_load(&model, moe_names[which])) {
        SKIP(MOE_NO_DATA);
    }
    for (; *letters != 0; letters++) {
        struct moe_case c = moe_case_open(&model, *letters);
        swarm_moe_sequence sequence;

        if (moe_open(&model, (swarm_moe_spec){.sequences_max = 1,
                                              .context_max = 256,
                                              .page_tokens = 16,
                                              .driver = gpu((swarm_moe_emulated_spec){
                                                  .seed = which, .busy_polls = 2})})) {
            CHECK_EQ(swarm_moe_add(model.moe, &c.request, &sequence), SWARM_OK);
            CHECK(moe_run(model.moe));
            moe_case_check(&c, DEVICE_ALLOWED);
            CHECK_EQ(swarm_moe_stats_get(model.moe, &stats), SWARM_OK);
            CHECK(stats.device_bytes != 0);
            moe_shut(&model);
        }
        check_nothing_left();
        moe_case_close(&c);
    }
    moe_unload(&model);
}

TEST(bf16_model_on_the_device) {
    check_model(0, test_long ? "abcd" : "d");
}

TEST(int4_model_on_the_device) {
    check_model(1, test_long ? "abcd" : "d");
}

TEST(grouped_model_on_the_device) {
    check_model(2, test_long ? "abcd" : "a");
}

/* Chosen experts of the first layer that has some, read out of the device's memory. */
static void check_choices(uint32_t which) {
    struct moe_model model;
    struct moe_case c;
    swarm_moe_sequence sequence;
    swarm_moe_tensor index;
    swarm_moe_load load;
    uint64_t chosen[64] = {0}, wanted[64] = {0};

    if (!moe_load(&model, moe_names[which])) {
        SKIP(MOE_NO_DATA);
    }
    c = moe_case_open(&model, 'a');
    index = moe_expect(&model, "seq.a.router.1.index");
    c.request.tokens_count = c.prompt + c.fresh;
    c.request.new_max = 1;
    c.request.out_logits = NULL;
    model.config.layers = 2;
    if (moe_open(&model, (swarm_moe_spec){.sequences_max = 1,
                                          .context_max = 64,
                                          .driver = gpu((swarm_moe_emulated_spec){.seed = 5})})) {
        CHECK_EQ(swarm_moe_add(model.moe, &c.request, &sequence), SWARM_OK);
        CHECK(moe_run(model.moe));
        CHECK_EQ(swarm_moe_load_get(model.moe, 1, true, &load, chosen), SWARM_OK);
        for (uint32_t i = 0; i < 32 * model.config.experts_chosen; i++) {
            wanted[moe_i32(index.data, i)]++;
        }
        CHECK_EQ(load.tokens, 32);
        CHECK(memcmp(chosen, wanted, sizeof chosen) == 0);
        CHECK_EQ(swarm_moe_load_get(model.moe, 1, false, &load, chosen), SWARM_OK);
        CHECK_EQ(load.tokens, 0);
        moe_shut(&model);
    }
    moe_case_close(&c);
    moe_unload(&model);
}

TEST(experts_chosen_on_the_device) {
    check_choices(0);
    check_choices(1);
    check_choices(2);
}

/* Two sequences under a spec; the logits of the first, whose bits must be those of `first`. */
static void check_bits(struct moe_model *model, swarm_moe_spec spec, float *first, bool is_first) {
    struct moe_case a = moe_case_open(model, 'a'), b = moe_case_open(model, 'b');
    size_t size = (size_t)10 * a.vocabulary * sizeof(float);
    swarm_moe_sequence sequences[2];

    a.request.tokens_count = b.request.tokens_count = 9;
    a.request.new_max = b.request.new_max = 2;
    if (moe_open(model, spec)) {
        CHECK_EQ(swarm_moe_add(model->moe, &a.request, &sequences[0]), SWARM_OK);
        if (!is_first) {
            CHECK_EQ(swarm_moe_add(model->moe, &b.request, &sequences[1]), SWARM_OK);
        }
        CHECK(moe_run(model->moe));
        if (is_first) {
            memcpy(first, a.logits, size);
        }
        CHECK(memcmp(first, a.logits, size) == 0);
        moe_shut(model);
    }
    moe_case_close(&a);
    moe_case_close(&b);
}

TEST(bits_on_the_device_do_not_depend_on_the_batch) {
    static float first[10 * 256];
    struct moe_model model;

    if (!moe_load(&model, "int4")) {
        SKIP(MOE_NO_DATA);
    }
    model.config.layers = 2;
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t chunk[] = {64, 64, 7, 1}, page[] = {64, 4, 16, 8};

        if (i == 3 && !test_long) {
            break;
        }

        check_bits(&model,
                   (swarm_moe_spec){.sequences_max = 2,
                                    .context_max = 64,
                                    .prefill_max = chunk[i],
                                    .page_tokens = page[i],
                                    .driver = gpu((swarm_moe_emulated_spec){.seed = 100 + i})},
                   first, i == 0);
    }
    moe_unload(&model);
}

/* ---- failures */

struct trial {
    struct moe_model model;
    int32_t tokens[4];
    int32_t answer[4];
    swarm_moe_prompt prompt;
    swarm_moe_sequence sequence;
};

/* A model of two layers on a GPU that behaves as given; what swarm_moe_open said. */
static swarm_status trial_open(struct trial *t, swarm_moe_emulated_spec behaviour) {
    swarm_moe_spec spec = {.size = sizeof spec,
                           .model = &t->model.config,
                           .lookup = swarm_moe_file_find,
                           .lookup_context = t->model.weights.index,
                           .sequences_max = 2,
                           .context_max = 16,
                           .page_tokens = 4,
                           .driver = gpu(behaviour)};
    size_t size = 0;
    swarm_status status;

    t->model.config.layers = 2;
    t->prompt = (swarm_moe_prompt){.size = sizeof t->prompt,
                                   .tokens = t->tokens,
                                   .tokens_count = 1,
                                   .new_max = 1,
                                   .out_tokens = t->answer,
                                   .flags = SWARM_MOE_GO_ON};
    t->tokens[0] = 9;
    CHECK_EQ(swarm_moe_size(&spec, &size, NULL), SWARM_OK);
    t->model.memory = aligned_alloc(64, size);
    status = swarm_moe_open(&spec, t->model.memory, size, &t->model.moe, NULL);
    if (status != SWARM_OK) {
        free(t->model.memory);
    }
    return status;
}

static uint64_t calls_so_far(void) {
    swarm_moe_emulated_stats stats;

    swarm_moe_emulated_stats_get(&stats);
    return stats.calls;
}

TEST(each_call_of_opening_fails_once) {
    static struct trial t;
    uint64_t calls;

    if (!moe_load(&t.model, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    CHECK_EQ(trial_open(&t, (swarm_moe_emulated_spec){.seed = 1}), SWARM_OK);
    calls = calls_so_far();
    CHECK(calls > 100);
    moe_shut(&t.model);
    check_nothing_left();
    for (uint64_t n = 1; n <= calls; n++) {
        int32_t code = n % 2 == 0 ? OUT_OF_MEMORY : LAUNCH_FAILED;
        swarm_status status =
            trial_open(&t, (swarm_moe_emulated_spec){.fail_at = n, .fail_code = code});

        CHECK(status == SWARM_E_FULL || status == SWARM_E_FAILED);
        check_nothing_left();
    }
    moe_unload(&t.model);
}

/* Runs the trial's prompt to its end. */
static swarm_outcome trial_run(struct trial *t) {
    swarm_moe_info info = {.outcome = SWARM_NONE};
    swarm_status status = swarm_moe_add(t->model.moe, &t->prompt, &t->sequence);

    if (status != SWARM_OK) {
        CHECK_EQ(status, SWARM_E_UNSUPPORTED);
        return SWARM_OUTCOME_LOST;
    }
    CHECK(moe_run(t->model.moe));
    CHECK_EQ(swarm_moe_sequence_get(t->model.moe, t->sequence, &info), SWARM_OK);
    CHECK_EQ(info.state, SWARM_MOE_DONE);
    CHECK_EQ(swarm_moe_forget(t->model.moe, t->sequence), SWARM_OK);
    return info.outcome;
}

static void check_running_failure(struct trial *t, uint64_t n, int32_t code, int32_t expected) {
    bool is_lost = code == LAUNCH_FAILED;
    swarm_moe_stats stats;
    swarm_outcome outcome;

    CHECK_EQ(trial_open(t, (swarm_moe_emulated_spec){.fail_at = n, .fail_code = code}), SWARM_OK);
    outcome = trial_run(t);
    CHECK_EQ(outcome, is_lost ? SWARM_OUTCOME_LOST : SWARM_OUTCOME_TRANSIENT);
    outcome = trial_run(t);
    CHECK_EQ(outcome, is_lost ? SWARM_OUTCOME_LOST : SWARM_OUTCOME_OK);
    if (!is_lost) {
        CHECK_EQ(t->answer[0], expected);
    }
    CHECK_EQ(swarm_moe_stats_get(t->model.moe, &stats), SWARM_OK);
    CHECK_EQ(stats.pages_used, 0);
    moe_shut(&t->model);
    check_nothing_left();
}

TEST(each_call_of_a_tick_fails_once) {
    static struct trial t;
    uint64_t first, last;
    int32_t expected;

    if (!moe_load(&t.model, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    CHECK_EQ(trial_open(&t, (swarm_moe_emulated_spec){.seed = 1}), SWARM_OK);
    first = calls_so_far() + 1;
    CHECK_EQ(trial_run(&t), SWARM_OUTCOME_OK);
    last = calls_so_far();
    expected = t.answer[0];
    moe_shut(&t.model);
    CHECK(last - first > 40);
    for (uint64_t n = first; n <= last; n++) {
        check_running_failure(&t, n, n % 2 == 0 ? OUT_OF_MEMORY : LAUNCH_FAILED, expected);
        if (test_long) {
            check_running_failure(&t, n, n % 2 != 0 ? OUT_OF_MEMORY : LAUNCH_FAILED, expected);
        }
    }
    moe_unload(&t.model);
}

TEST(cancel_while_a_tick_is_under_way) {
    static struct trial t;
    swarm_moe_info info;

    if (!moe_load(&t.model, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    CHECK_EQ(trial_open(&t, (swarm_moe_emulated_spec){.busy_polls = 3}), SWARM_OK);
    CHECK_EQ(swarm_moe_add(t.model.moe, &t.prompt, &t.sequence), SWARM_OK);
    CHECK_EQ(swarm_moe_tick(t.model.moe, NULL), SWARM_E_AGAIN); /* launched */
    CHECK_EQ(swarm_moe_tick(t.model.moe, NULL), SWARM_E_AGAIN); /* asked */
    CHECK_EQ(swarm_moe_cancel(t.model.moe, t.sequence), SWARM_OK);
    CHECK_EQ(swarm_moe_sequence_get(t.model.moe, t.sequence, &info), SWARM_OK);
    CHECK(info.state != SWARM_MOE_DONE); /* its pages are being written */
    CHECK(moe_run(t.model.moe));
    CHECK_EQ(swarm_moe_sequence_get(t.model.moe, t.sequence, &info), SWARM_OK);
    CHECK_EQ(info.outcome, SWARM_OUTCOME_CANCELLED);
    moe_shut(&t.model);
    moe_unload(&t.model);
}

/* A lost GPU: its steps go to the model on the CPU. */
TEST(steps_go_elsewhere_when_the_device_is_lost) {
    static struct trial t;
    static struct moe_model other;
    static int32_t answers[20][1];
    static swarm_moe_prompt prompts[20];
    const swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_profile_spec profile = {.name = "gpu"};
    swarm_run_report report = {.steps = 0};
    swarm *sw = NULL;
    swarm_plan *plan;
    swarm_run run;

    if (!moe_load(&t.model, "grouped") || !moe_load(&other, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    CHECK_EQ(trial_open(&t, (swarm_moe_emulated_spec){.fail_at = 330, .fail_code = LAUNCH_FAILED}),
             SWARM_OK);
    CHECK(calls_so_far() < 330);
    other.config.layers = 2;
    moe_open(&other, (swarm_moe_spec){.sequences_max = 4, .context_max = 16});
    CHECK_EQ(swarm_new(&config, &sw), SWARM_OK);
    profile.backend = swarm_backend_add(sw, swarm_moe_backend(t.model.moe));
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), 2);
    profile.name = "cpu";
    profile.backend = swarm_backend_add(sw, swarm_moe_backend(other.moe));
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), 1);
    run = swarm_run_open(sw, NULL);
    plan = swarm_plan_open(sw, run);
    for (uint32_t i = 0; i < 20; i++) {
        prompts[i] = t.prompt;
        prompts[i].out_tokens = answers[i];
        swarm_step_add(plan, &(swarm_step_spec){.payload = &prompts[i],
                                                .payload_size = sizeof prompts[i],
                                                .retry = {.attempts_max = 5}});
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_report_get(sw, run, &report), SWARM_OK);
    CHECK_EQ(report.ok, 20);
    CHECK(report.retries != 0);
    for (uint32_t i = 1; i < 20; i++) {
        CHECK(memcmp(answers[0], answers[i], sizeof answers[0]) == 0);
    }
    CHECK_EQ(swarm_free(sw), SWARM_OK);
    moe_shut(&t.model);
    moe_shut(&other);
    check_nothing_left();
    moe_unload(&t.model);
    moe_unload(&other);
}

/* ---- what opening refuses */

static swarm_status open_with(struct trial *t, const swarm_moe_driver *driver,
                              swarm_moe_error *out_error) {
    swarm_moe_spec spec = {.size = sizeof spec,
                           .model = &t->model.config,
                           .lookup = swarm_moe_file_find,
                           .lookup_context = t->model.weights.index,
                           .sequences_max = 1,
                           .context_max = 16,
                           .driver = driver};
    size_t size = 0;
    swarm_status status = swarm_moe_size(&spec, &size, out_error);
    void *memory = aligned_alloc(64, size);
    swarm_moe *moe = NULL;

    if (status == SWARM_OK) {
        status = swarm_moe_open(&spec, memory, size, &moe, out_error);
    }
    CHECK(moe == NULL);
    free(memory);
    check_nothing_left();
    return status;
}

TEST(each_reason_has_its_status) {
    static struct trial t;
    swarm_moe_error error;
    swarm_moe_driver driver;

    if (!moe_load(&t.model, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    driver = *gpu((swarm_moe_emulated_spec){.seed = 1});
    driver.image = NULL;
    CHECK_EQ(open_with(&t, &driver, &error), SWARM_E_UNSUPPORTED);
    driver = *gpu((swarm_moe_emulated_spec){.seed = 1});
    driver.event_query = NULL;
    CHECK_EQ(open_with(&t, &driver, &error), SWARM_E_INVALID);
    CHECK_EQ(open_with(&t, gpu((swarm_moe_emulated_spec){.no_image = 1}), &error),
             SWARM_E_UNSUPPORTED);
    CHECK_EQ(open_with(&t, gpu((swarm_moe_emulated_spec){.version = 11080}), &error),
             SWARM_E_MISMATCH);
    CHECK_EQ(open_with(&t, gpu((swarm_moe_emulated_spec){.devices = -1}), &error), SWARM_E_FAILED);
    CHECK(strcmp(error.name, "device") == 0);
    CHECK_EQ(open_with(&t, gpu((swarm_moe_emulated_spec){.memory = 4096}), &error), SWARM_E_FULL);
    CHECK(strcmp(error.name, "device memory") == 0);
    moe_unload(&t.model);
}

static void *without(void *context, const char *symbol) {
    static int something;

    return strcmp(symbol, context) == 0 ? NULL : &something;
}

TEST(a_missing_symbol_is_named) {
    swarm_moe_driver driver = {.size = 0};
    swarm_moe_error error = {.name = ""};
    char name[] = "cuLaunchKernelEx", none[] = "";

    CHECK_EQ(swarm_moe_driver_resolve(without, name, &driver, &error), SWARM_E_INVALID);
    CHECK(strcmp(error.name, name) == 0);
    CHECK_EQ(driver.size, 0);
    CHECK_EQ(swarm_moe_driver_resolve(without, none, &driver, &error), SWARM_OK);
    CHECK_EQ(driver.size, sizeof driver);
    CHECK(driver.image == NULL);
    CHECK_EQ(swarm_moe_driver_resolve(NULL, NULL, &driver, NULL), SWARM_E_INVALID);
}

static void *in_library(void *context, const char *symbol) {
    return dlsym(context, symbol);
}

/* The toolkit's stub exports what libcuda exports, and answers 34. */
TEST(the_symbols_are_those_of_libcuda) {
    void *library = dlopen("/usr/local/cuda/lib64/stubs/libcuda.so", RTLD_NOW | RTLD_LOCAL);
    swarm_moe_driver driver;

    if (library == NULL) {
        SKIP("needs the stub libcuda of a CUDA toolkit");
    }
    CHECK_EQ(swarm_moe_driver_resolve(in_library, library, &driver, NULL), SWARM_OK);
    CHECK_EQ(driver.init(0), 34);
}

TEST_MAIN()
