/* SPDX-License-Identifier: MIT */
/*
 * The model against float64: logits, greedy tokens, residuals, latents, chosen experts. And against
 * itself: the same bits alone, together, in chunks of any size, in pages of any size, with a shared
 * prefix, and with any number of workers.
 */
#include "../backends/moe/moe_state.h"
#include "test_moe.h"

static void check_model(uint32_t which, swarm_moe_spec spec) {
    struct moe_model model;

    if (!moe_load(&model, moe_names[which])) {
        SKIP(MOE_NO_DATA);
    }
    for (char letter = 'a'; letter <= 'd' && moe_open(&model, spec); letter++) {
        struct moe_case c = moe_case_open(&model, letter);
        swarm_moe_sequence sequence;
        swarm_moe_info info;

        CHECK_EQ(swarm_moe_add(model.moe, &c.request, &sequence), SWARM_OK);
        CHECK(moe_run(model.moe));
        CHECK_EQ(swarm_moe_sequence_get(model.moe, sequence, &info), SWARM_OK);
        CHECK_EQ(info.state, SWARM_MOE_DONE);
        CHECK_EQ(info.outcome, SWARM_OUTCOME_OK);
        CHECK_EQ(info.new_tokens, c.fresh);
        CHECK_EQ(info.cached_tokens, 0);
        moe_case_check(&c, moe_allowed[which]);
        moe_case_close(&c);
        moe_shut(&model);
    }
    moe_unload(&model);
}

TEST(bf16_model_agrees_with_float64) {
    check_model(0, (swarm_moe_spec){.sequences_max = 1, .context_max = 256});
}

TEST(int4_model_agrees_with_float64) {
    check_model(1, (swarm_moe_spec){.sequences_max = 1, .context_max = 256});
}

TEST(grouped_model_agrees_with_float64) {
    check_model(2, (swarm_moe_spec){.sequences_max = 1, .context_max = 256});
}

/* ---- inside the layers: a model cut after layer L ends with the residual that enters layer L */

static void check_choices(const struct moe_model *model, uint32_t layer, uint32_t rows) {
    const struct activations *act = &model->moe->act;
    uint32_t chosen = model->config.experts_chosen;
    swarm_moe_tensor index, weight;
    char name[64];

    snprintf(name, sizeof name, "seq.a.router.%u.index", layer);
    index = moe_expect(model, name);
    snprintf(name, sizeof name, "seq.a.router.%u.weight", layer);
    weight = moe_expect(model, name);
    for (uint32_t i = 0; i < rows * chosen; i++) {
        uint32_t at = i / chosen * chosen, end = at + chosen;
        double gap = -1;

        while (at < end && act->choice[at] != (uint32_t)moe_i32(index.data, i)) {
            at++; /* the order of near equals is free */
        }
        if (at < end) {
            gap = (double)act->weight[at] - moe_f64(weight.data, i);
        }
        CHECK(gap < 2e-4 && gap > -2e-4);
    }
}

static void check_cut(struct moe_model *model, uint32_t layers, double allowed) {
    struct moe_case c = moe_case_open(model, 'a');
    uint32_t width = model->config.latent_rank + model->config.rope;
    uint32_t hidden = model->config.hidden;
    swarm_moe_sequence sequence;
    char name[64];

    model->config.layers = layers;
    c.request.tokens_count = c.prompt + c.fresh;
    c.request.new_max = 1;
    c.request.out_logits = NULL;
    if (moe_open(model, (swarm_moe_spec){.sequences_max = 1, .context_max = 64})) {
        CHECK_EQ(swarm_moe_add(model->moe, &c.request, &sequence), SWARM_OK);
        CHECK_EQ(swarm_moe_tick(model->moe, NULL), SWARM_OK);
        snprintf(name, sizeof name, "seq.a.hidden.%u", layers);
        CHECK(moe_distance(model->moe->act.residual, moe_expect(model, name).data, 0,
                           (uint64_t)32 * hidden) <= allowed * allowed);
        snprintf(name, sizeof name, "seq.a.latent.%u", layers - 1);
        CHECK(moe_distance(model->moe->cache + (size_t)(layers - 1) * 64 * width,
                           moe_expect(model, name).data, 0,
                           (uint64_t)32 * width) <= allowed * allowed);
        if (layers > model->config.dense_layers) {
            check_choices(model, layers - 1, 32);
        }
        CHECK_EQ(swarm_moe_forget(model->moe, sequence), SWARM_OK);
        moe_shut(model);
    }
    moe_case_close(&c);
}

TEST(residuals_latents_and_choices_agree) {
    for (uint32_t which = 0; which < 3; which++) {
        for (uint32_t layers = 1; layers <= 3; layers++) {
            struct moe_model model;

            if (!moe_load(&model, moe_names[which])) {
                SKIP(MOE_NO_DATA);
            }
            check_cut(&model, layers, moe_allowed[which]);
            moe_unload(&model);
        }
    }
}

/* ---- the same bits */

/* All four sequences at once under some spec; their logits must be those of `alone`. */
static void check_together(struct moe_model *model, const struct moe_case alone[4],
                           swarm_moe_spec spec) {
    struct moe_case cases[4];
    swarm_moe_sequence sequences[4];

    if (!moe_open(model, spec)) {
        return;
    }
    for (uint32_t i = 0; i < 4; i++) {
        cases[i] = moe_case_open(model, (char)('a' + i));
        CHECK_EQ(swarm_moe_add(model->moe, &cases[i].request, &sequences[i]), SWARM_OK);
    }
    CHECK(moe_run(model->moe));
    for (uint32_t i = 0; i < 4; i++) {
        const struct moe_case *a = &alone[i], *b = &cases[i];
        uint32_t rows = a->prompt + a->fresh - 1;
        swarm_moe_info info = {.cached_tokens = 0};

        CHECK_EQ(swarm_moe_sequence_get(model->moe, sequences[i], &info), SWARM_OK);
        for (uint32_t row = info.cached_tokens; row < rows; row++) {
            CHECK(memcmp(a->logits + (size_t)row * a->vocabulary,
                         b->logits + (size_t)row * a->vocabulary,
                         a->vocabulary * sizeof(float)) == 0);
        }
        CHECK(memcmp(a->answer, b->answer, a->fresh * sizeof *a->answer) == 0);
        moe_case_close(&cases[i]);
    }
    moe_shut(model);
}

static void check_invariance(uint32_t which) {
    static const swarm_moe_spec specs[] = {
        {.sequences_max = 4, .context_max = 256},
        {.sequences_max = 4, .context_max = 256, .prefill_max = 1},
        {.sequences_max = 4, .context_max = 256, .prefill_max = 7, .page_tokens = 4},
        {.sequences_max = 5, .context_max = 160, .prefill_max = 64, .page_tokens = 16},
        {.sequences_max = 4, .context_max = 256, .page_tokens = 4, .pages_max = 50},
    };
    struct moe_model model;
    struct moe_case alone[4];

    if (!moe_load(&model, moe_names[which])) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t i = 0; i < 4; i++) {
        swarm_moe_sequence sequence;

        alone[i] = moe_case_open(&model, (char)('a' + i));
        if (moe_open(&model, (swarm_moe_spec){.sequences_max = 1, .context_max = 256})) {
            CHECK_EQ(swarm_moe_add(model.moe, &alone[i].request, &sequence), SWARM_OK);
            CHECK(moe_run(model.moe));
            moe_shut(&model);
        }
    }
    for (uint32_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        check_together(&model, alone, specs[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        moe_case_close(&alone[i]);
    }
    moe_unload(&model);
}

TEST(bits_do_not_depend_on_the_batch_bf16) {
    check_invariance(0);
}

TEST(bits_do_not_depend_on_the_batch_int4) {
    check_invariance(1);
}

TEST(bits_do_not_depend_on_the_batch_grouped) {
    check_invariance(2);
}

/* Every instruction set of this processor, on all models: bitwise the portable one. */
TEST(bits_do_not_depend_on_the_instructions) {
    for (uint32_t which = 0; which < 3; which++) {
        static float first[200 * 256];
        struct moe_model model;

        if (!moe_load(&model, moe_names[which])) {
            SKIP(MOE_NO_DATA);
        }
        for (uint32_t set = SWARM_MOE_PORTABLE; set <= SWARM_MOE_AVX512; set++) {
            swarm_moe_spec spec = {.size = sizeof spec,
                                   .model = &model.config,
                                   .lookup = swarm_moe_file_find,
                                   .lookup_context = model.weights.index,
                                   .sequences_max = 1,
                                   .context_max = 160,
                                   .instructions = set};
            swarm_moe_sequence sequence;
            size_t size;

            if (swarm_moe_size(&spec, &size, NULL) == SWARM_E_UNSUPPORTED) {
                printf("# this processor lacks instruction set %u\n", set);
            } else if (moe_open(&model, spec)) {
                struct moe_case c = moe_case_open(&model, 'c');

                size = (size_t)(c.prompt + c.fresh - 1) * c.vocabulary * sizeof(float);
                CHECK(size <= sizeof first);
                CHECK_EQ(swarm_moe_add(model.moe, &c.request, &sequence), SWARM_OK);
                CHECK(moe_run(model.moe));
                if (set == SWARM_MOE_PORTABLE) {
                    memcpy(first, c.logits, size);
                }
                CHECK(memcmp(first, c.logits, size) == 0);
                moe_case_close(&c);
                moe_shut(&model);
            }
        }
        moe_unload(&model);
    }
}

TEST(bits_do_not_depend_on_the_crew) {
    struct moe_model model;
    float *first = NULL;

    if (!moe_load(&model, "int4")) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t workers = 0; workers <= 3; workers++) {
        const swarm_config config = {.size = sizeof config,
                                     .version = SWARM_VERSION,
                                     .host = swarm_host_default(),
                                     .log_bytes = SWARM_NEVER,
                                     .workers_max = 4,
                                     .flags = SWARM_CONFIG_STATIC};
        struct moe_case c = moe_case_open(&model, 'a');
        swarm_moe_sequence sequence;
        swarm *crew = NULL;
        size_t size = (size_t)(c.prompt + c.fresh - 1) * c.vocabulary * sizeof(float);

        CHECK_EQ(swarm_new(&config, &crew), SWARM_OK);
        if (moe_open(&model, (swarm_moe_spec){.sequences_max = 1,
                                              .context_max = 64,
                                              .crew = workers == 0 ? NULL : crew,
                                              .crew_workers = workers == 0 ? 0 : workers})) {
            CHECK_EQ(swarm_moe_add(model.moe, &c.request, &sequence), SWARM_OK);
            CHECK(moe_run(model.moe));
            moe_case_check(&c, moe_allowed[1]);
            first = first == NULL ? memcpy(malloc(size), c.logits, size) : first;
            CHECK(memcmp(first, c.logits, size) == 0);
            moe_shut(&model);
        }
        CHECK_EQ(swarm_free(crew), SWARM_OK);
        moe_case_close(&c);
    }
    free(first);
    moe_unload(&model);
}

TEST_MAIN()
