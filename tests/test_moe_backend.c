/* SPDX-License-Identifier: MIT */
/*
 * The model as a backend of a swarm: generations as steps, answers as inputs, cancels, refusals,
 * usage; and opening it: each thing that can be wrong with the weights, by name.
 */
#include "test_moe.h"

struct office {
    struct moe_model model;
    swarm *sw;
    swarm_run run;
    int32_t tokens[64];
    int32_t answers[400][8];
    swarm_moe_prompt prompts[400];
};

static bool office_open(struct office *o, swarm_moe_spec spec, uint32_t agents) {
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .agents_max = 512};
    swarm_profile_spec profile = {.name = "writer"};

    if (!moe_load(&o->model, "bf16")) {
        return false;
    }
    for (int32_t i = 0; i < 64; i++) {
        o->tokens[i] = 2 + 7 * i % 150;
    }
    moe_open(&o->model, spec);
    CHECK_EQ(swarm_new(&config, &o->sw), SWARM_OK);
    profile.backend = swarm_backend_add(o->sw, swarm_moe_backend(o->model.moe));
    swarm_agent_add(o->sw, swarm_profile_add(o->sw, &profile), agents);
    o->run = swarm_run_open(o->sw, NULL);
    return true;
}

static swarm_moe_prompt *office_prompt(struct office *o, uint32_t i, uint32_t count) {
    o->prompts[i] = (swarm_moe_prompt){.size = sizeof o->prompts[i],
                                       .tokens = o->tokens,
                                       .tokens_count = count,
                                       .new_max = 4,
                                       .out_tokens = o->answers[i],
                                       .flags = SWARM_MOE_GO_ON};
    return &o->prompts[i];
}

static swarm_step office_step(swarm_plan *plan, const swarm_moe_prompt *prompt) {
    return swarm_step_add(plan, &(swarm_step_spec){.payload = prompt,
                                                   .payload_size = sizeof *prompt,
                                                   .flags = SWARM_STEP_INPUTS});
}

static swarm_run_report office_report(struct office *o) {
    swarm_run_report report = {.steps = 0};

    CHECK_EQ(swarm_run_report_get(o->sw, o->run, &report), SWARM_OK);
    return report;
}

static void office_shut(struct office *o) {
    CHECK_EQ(swarm_free(o->sw), SWARM_OK);
    moe_shut(&o->model);
    moe_unload(&o->model);
}

TEST(agents_share_the_prefix_of_their_coordinator) {
    static struct office o;
    swarm_plan *plan;
    swarm_step first, last = {0};
    swarm_step_info info;

    if (!office_open(
            &o, (swarm_moe_spec){.sequences_max = 300, .context_max = 64, .page_tokens = 8}, 300)) {
        SKIP(MOE_NO_DATA);
    }
    plan = swarm_plan_open(o.sw, o.run);
    first = office_step(plan, office_prompt(&o, 0, 33));
    for (uint32_t i = 1; i <= 300; i++) {
        /* The coordinator's prompt and answer, then a token of its own. */
        office_prompt(&o, i, 33)->flags |= SWARM_MOE_INPUTS;
        o.prompts[i].suffix = &o.tokens[i % 64];
        o.prompts[i].suffix_count = 1;
        last = office_step(plan, &o.prompts[i]);
        swarm_edge_add(plan, first, last, 0);
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(o.sw, NULL), SWARM_OK);
    CHECK_EQ(swarm_run_check(o.sw, o.run, NULL), SWARM_OK);
    CHECK_EQ(office_report(&o).ok, 301);
    CHECK_EQ(office_report(&o).usage.input_tokens, 33 + 300 * 38);
    CHECK_EQ(office_report(&o).usage.cached_tokens, 300 * 32); /* 36 were computed: four pages */
    CHECK_EQ(office_report(&o).usage.output_tokens, 301 * 4);
    CHECK_EQ(swarm_step_status(o.sw, last, &info), SWARM_OK);
    CHECK_EQ(info.result.value, 4);
    CHECK_EQ(info.result.size, 16);
    CHECK(info.result.bytes == o.answers[300]);
    CHECK(memcmp(o.answers[236], o.answers[300], 16) == 0); /* 64 apart: the same prompt */
    office_shut(&o);
}

/* The slots are fewer than the agents: submit says AGAIN, and nothing is lost. */
TEST(more_agents_than_slots) {
    static struct office o;
    swarm_plan *plan;
    swarm_moe_stats stats;

    if (!office_open(&o,
                     (swarm_moe_spec){
                         .sequences_max = 7, .context_max = 32, .page_tokens = 4, .pages_max = 20},
                     50)) {
        SKIP(MOE_NO_DATA);
    }
    plan = swarm_plan_open(o.sw, o.run);
    for (uint32_t i = 0; i < 100; i++) {
        office_step(plan, office_prompt(&o, i, 1 + i % 13));
    }
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(o.sw, NULL), SWARM_OK);
    CHECK_EQ(office_report(&o).ok, 100);
    CHECK_EQ(office_report(&o).attempts - office_report(&o).retries >= 100, 1);
    CHECK_EQ(swarm_moe_stats_get(o.model.moe, &stats), SWARM_OK);
    CHECK_EQ(stats.sequences, 100);
    CHECK_EQ(stats.pages_used, 0);
    office_shut(&o);
}

TEST(bad_prompts_end_terminal_and_others_go_on) {
    static struct office o;
    static int32_t wrong[] = {-5};
    swarm_plan *plan;
    swarm_step bad[3], good;
    swarm_step_info info;

    if (!office_open(&o, (swarm_moe_spec){.sequences_max = 4, .context_max = 32}, 4)) {
        SKIP(MOE_NO_DATA);
    }
    plan = swarm_plan_open(o.sw, o.run);
    office_prompt(&o, 0, 1)->tokens = wrong;
    office_prompt(&o, 1, 40); /* longer than the context */
    bad[0] = office_step(plan, &o.prompts[0]);
    bad[1] = office_step(plan, &o.prompts[1]);
    bad[2] = swarm_step_add(plan, &(swarm_step_spec){.payload = "text", .payload_size = 4});
    good = office_step(plan, office_prompt(&o, 3, 5));
    CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(o.sw, NULL), SWARM_OK);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(swarm_step_status(o.sw, bad[i], &info), SWARM_OK);
        CHECK_EQ(info.state, SWARM_STEP_FAILED);
        CHECK_EQ(info.outcome, SWARM_OUTCOME_TERMINAL);
    }
    CHECK_EQ(swarm_step_status(o.sw, good, &info), SWARM_OK);
    CHECK_EQ(info.state, SWARM_STEP_OK);
    office_shut(&o);
}

/* Cancelled after each number of instants: it ends, what was computed is billed, others go on. */
TEST(cancels_from_the_scheduler) {
    for (uint32_t instants = 1; instants < 12; instants++) {
        static struct office o;
        const swarm_drive_options one = {.flags = SWARM_DRIVE_INSTANT};
        swarm_plan *plan;
        swarm_step first, second;
        swarm_step_info info = {.state = 0};

        if (!office_open(
                &o, (swarm_moe_spec){.sequences_max = 4, .context_max = 32, .prefill_max = 2}, 4)) {
            SKIP(MOE_NO_DATA);
        }
        plan = swarm_plan_open(o.sw, o.run);
        first = office_step(plan, office_prompt(&o, 0, 6));
        second = office_step(plan, office_prompt(&o, 1, 6));
        CHECK_EQ(swarm_plan_commit(plan, NULL), SWARM_OK);
        for (uint32_t i = 0; i < instants; i++) {
            (void)swarm_sim_drive(o.sw, &one);
        }
        (void)swarm_step_cancel(o.sw, first);
        CHECK_EQ(swarm_sim_drive(o.sw, NULL), SWARM_OK);
        CHECK_EQ(swarm_step_status(o.sw, first, &info), SWARM_OK);
        CHECK(info.state == SWARM_STEP_CANCELLED || info.state == SWARM_STEP_OK);
        CHECK_EQ(swarm_step_status(o.sw, second, &info), SWARM_OK);
        CHECK_EQ(info.state, SWARM_STEP_OK);
        CHECK(office_report(&o).usage.output_tokens >= 4);
        office_shut(&o);
    }
}

/* ---- opening */

/* A lookup that changes one tensor. */
struct change {
    void *index;
    const char *name;
    swarm_moe_tensor tensor; /* fields that are not 0 replace; rank 9: there is no such tensor */
};

static bool changed(void *context, const char *name, swarm_moe_tensor *out_tensor) {
    const struct change *change = context;
    bool found = swarm_moe_file_find(change->index, name, out_tensor);

    if (found && strcmp(name, change->name) == 0) {
        out_tensor->type = change->tensor.type != 0 ? change->tensor.type : out_tensor->type;
        out_tensor->size = change->tensor.size != 0 ? change->tensor.size : out_tensor->size;
        for (uint32_t i = 0; i < 2; i++) {
            if (change->tensor.shape[i] != 0) {
                out_tensor->shape[i] = change->tensor.shape[i];
            }
        }
        return change->tensor.rank != 9;
    }
    return found;
}

#define EXPERT "model.layers.1.mlp.experts.3."

static const struct {
    const char *name;
    swarm_moe_tensor tensor;
    const char *named;
    swarm_status status;
    uint64_t expected, found;
} wrong_tensors[] = {
    {"lm_head.weight", {.rank = 9}, "lm_head.weight", SWARM_E_MISSING, 0, 0},
    {"lm_head.weight", {.shape = {191}}, "lm_head.weight", SWARM_E_MISMATCH, 192, 191},
    {"lm_head.weight", {.type = SWARM_MOE_OTHER}, "lm_head.weight", SWARM_E_MISMATCH, 0, 0},
    {"lm_head.weight", {.size = 12}, "lm_head.weight", SWARM_E_MISMATCH, 0, 0},
    {"model.norm.weight", {.shape = {7}}, "model.norm.weight", SWARM_E_MISMATCH, 192, 7},
    {"model.layers.2.self_attn.kv_b_proj.weight",
     {.rank = 9},
     "model.layers.2.self_attn.kv_b_proj.weight",
     SWARM_E_MISSING,
     0,
     0},
    {"model.layers.1.mlp.gate.e_score_correction_bias",
     {.rank = 9},
     "model.layers.1.mlp.gate.e_score_correction_bias",
     SWARM_E_MISSING,
     0,
     0},
    {EXPERT "up_proj.weight_packed", {.rank = 9}, EXPERT "up_proj.weight", SWARM_E_MISSING, 0, 0},
    {EXPERT "up_proj.weight_packed",
     {.shape = {0, 23}},
     EXPERT "up_proj.weight_packed",
     SWARM_E_MISMATCH,
     96,
     96},
    {EXPERT "up_proj.weight_packed",
     {.type = SWARM_MOE_F32},
     EXPERT "up_proj.weight_packed",
     SWARM_E_MISMATCH,
     0,
     0},
    {EXPERT "down_proj.weight_scale",
     {.rank = 9},
     EXPERT "down_proj.weight_scale",
     SWARM_E_MISSING,
     0,
     0},
    {EXPERT "down_proj.weight_scale",
     {.shape = {0, 4}},
     EXPERT "down_proj.weight_scale",
     SWARM_E_MISMATCH,
     192,
     192},
};

TEST(wrong_tensors_are_named) {
    struct moe_model model;

    if (!moe_load(&model, "int4")) {
        SKIP(MOE_NO_DATA);
    }
    for (size_t i = 0; i < sizeof wrong_tensors / sizeof wrong_tensors[0]; i++) {
        struct change change = {model.weights.index, wrong_tensors[i].name,
                                wrong_tensors[i].tensor};
        const swarm_moe_spec spec = {.size = sizeof spec,
                                     .model = &model.config,
                                     .lookup = changed,
                                     .lookup_context = &change};
        swarm_moe_error error = {.name = ""};
        size_t size = 77;

        CHECK_EQ(swarm_moe_size(&spec, &size, &error), wrong_tensors[i].status);
        CHECK_EQ(size, 77);
        CHECK_EQ(error.expected[0], wrong_tensors[i].expected);
        CHECK_EQ(error.found[0], wrong_tensors[i].found);
        if (strcmp(error.name, wrong_tensors[i].named) != 0) {
            printf("# %s instead of %s\n", error.name, wrong_tensors[i].named);
            CHECK(false);
        }
    }
    moe_unload(&model);
}

TEST(int4_columns_must_be_a_multiple_of_32) {
    struct moe_model model;
    swarm_moe_spec spec = {.size = sizeof spec, .model = &model.config};
    swarm_moe_error error = {.name = ""};
    size_t size;

    if (!moe_load(&model, "int4")) {
        SKIP(MOE_NO_DATA);
    }
    model.config.expert_inner = 100;
    spec.lookup = swarm_moe_file_find;
    spec.lookup_context = model.weights.index;
    model.config.hidden = 192;
    CHECK_EQ(swarm_moe_size(&spec, &size, &error), SWARM_E_MISMATCH); /* the shared one's rows */
    CHECK(strstr(error.name, "shared_experts.gate_proj") != NULL);
    model.config.experts_shared = 0; /* then the routed ones are looked at */
    CHECK_EQ(swarm_moe_size(&spec, &size, &error), SWARM_E_MISMATCH);
    CHECK(strcmp(error.name, "model.layers.1.mlp.experts.0.gate_proj.weight_packed") == 0);
    moe_unload(&model);
}

TEST(wrong_specs_are_refused) {
    struct moe_model model;
    swarm_moe_error error = {.name = ""};
    swarm_moe *moe = NULL;
    size_t size;
    char *memory;

    if (!moe_load(&model, "grouped")) {
        SKIP(MOE_NO_DATA);
    }
    {
        const swarm_moe_spec good = {.size = sizeof good,
                                     .model = &model.config,
                                     .lookup = swarm_moe_file_find,
                                     .lookup_context = model.weights.index,
                                     .sequences_max = 2};
        swarm_moe_spec bad[] = {good, good, good, good, good, good, good};

        bad[0].size = 8;
        bad[1].model = NULL;
        bad[2].lookup = NULL;
        bad[3].context_max = model.config.context + 1;
        bad[4].rows_max = 1;
        bad[5].crew_workers = 2;
        bad[6].instructions = 99;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            CHECK_EQ(swarm_moe_size(&bad[i], &size, &error), SWARM_E_INVALID);
        }
        CHECK_EQ(swarm_moe_size(NULL, &size, NULL), SWARM_E_INVALID);
        CHECK_EQ(swarm_moe_size(&good, &size, &error), SWARM_OK);
        memory = aligned_alloc(64, size + 64);
        CHECK_EQ(swarm_moe_open(&good, memory, size - 1, &moe, &error), SWARM_E_FULL);
        CHECK_EQ(swarm_moe_open(&good, memory + 8, size, &moe, &error), SWARM_E_INVALID);
        CHECK_EQ(swarm_moe_open(&good, NULL, size, &moe, &error), SWARM_E_INVALID);
        CHECK(moe == NULL);
        CHECK_EQ(swarm_moe_open(&good, memory, size, &moe, &error), SWARM_OK);
        CHECK_EQ(swarm_moe_close(moe), SWARM_OK);
        free(memory);
    }
    moe_unload(&model);
}

TEST_MAIN()
