/* SPDX-License-Identifier: MIT */
/*
 * Serving: admission and pages, shared prefixes, preemption, cancels, what is refused, rows that
 * are not finite, batches of up to 300, drawing tokens, statistics.
 */
#include "../backends/moe/moe_cache.h"
#include "../backends/moe/moe_sample.h"
#include "test_moe.h"

/* Prompts of made-up tokens, with room for their answers. */
struct bench {
    struct moe_model model;
    int32_t tokens[512];
    int32_t answers[512][16];
    swarm_moe_prompt prompts[512];
    swarm_moe_sequence sequences[512];
};

static bool bench_open(struct bench *b, const char *name, swarm_moe_spec spec) {
    if (!moe_load(&b->model, name)) {
        return false;
    }
    for (uint32_t i = 0; i < 512; i++) {
        b->tokens[i] = (int32_t)(swarm_random(7, 7, i) % b->model.config.vocabulary);
    }
    return moe_open(&b->model, spec);
}

/* Prompt i: `count` tokens from place `first`. */
static swarm_moe_prompt *bench_prompt(struct bench *b, uint32_t i, uint32_t first, uint32_t count) {
    b->prompts[i] = (swarm_moe_prompt){.size = sizeof b->prompts[i],
                                       .tokens = b->tokens + first,
                                       .tokens_count = count,
                                       .new_max = 8,
                                       .out_tokens = b->answers[i],
                                       .flags = SWARM_MOE_GO_ON};
    memset(b->answers[i], 0xff, sizeof b->answers[i]);
    return &b->prompts[i];
}

static swarm_status bench_add(struct bench *b, uint32_t i) {
    return swarm_moe_add(b->model.moe, &b->prompts[i], &b->sequences[i]);
}

static swarm_moe_info bench_info(struct bench *b, uint32_t i) {
    swarm_moe_info info = {.state = SWARM_NONE};

    CHECK_EQ(swarm_moe_sequence_get(b->model.moe, b->sequences[i], &info), SWARM_OK);
    return info;
}

static void bench_shut(struct bench *b) {
    if (b->model.moe != NULL) {
        moe_shut(&b->model);
    }
    moe_unload(&b->model);
}

static swarm_moe_stats stats_of(struct bench *b) {
    swarm_moe_stats stats = {.ticks = 0};

    CHECK_EQ(swarm_moe_stats_get(b->model.moe, &stats), SWARM_OK);
    return stats;
}

/* ---- what is refused */

TEST(wrong_prompts_are_refused) {
    static struct bench b;
    int32_t bad[] = {3, 160}, minus[] = {-1};

    if (!bench_open(&b, "bf16",
                    (swarm_moe_spec){
                        .sequences_max = 2, .context_max = 40, .page_tokens = 4, .pages_max = 6})) {
        SKIP(MOE_NO_DATA);
    }
    bench_prompt(&b, 0, 0, 4)->tokens = bad;
    b.prompts[0].tokens_count = 2;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    b.prompts[0].tokens = minus;
    b.prompts[0].tokens_count = 1;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 0);
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 4)->out_tokens = NULL;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 4)->size = 1;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 4)->new_max = 0;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 4)->flags = SWARM_MOE_INPUTS;
    CHECK_EQ(bench_add(&b, 0), SWARM_E_INVALID);
    bench_prompt(&b, 0, 0, 41); /* longer than the context */
    CHECK_EQ(bench_add(&b, 0), SWARM_E_TOO_BIG);
    bench_prompt(&b, 0, 0, 33); /* with its answer */
    CHECK_EQ(bench_add(&b, 0), SWARM_E_TOO_BIG);
    bench_prompt(&b, 0, 0, 18); /* 25 computed tokens, 24 places in pages */
    CHECK_EQ(bench_add(&b, 0), SWARM_E_TOO_BIG);
    bench_prompt(&b, 0, 0, 17);
    CHECK_EQ(bench_add(&b, 0), SWARM_OK);
    bench_prompt(&b, 1, 0, 1);
    CHECK_EQ(bench_add(&b, 1), SWARM_OK);
    bench_prompt(&b, 2, 0, 1);
    CHECK_EQ(bench_add(&b, 2), SWARM_E_AGAIN); /* sequences_max */
    CHECK(moe_run(b.model.moe));
    CHECK_EQ(bench_info(&b, 0).outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(bench_info(&b, 1).outcome, SWARM_OUTCOME_OK);
    bench_shut(&b);
}

TEST(stale_handles_and_null) {
    static struct bench b;
    swarm_moe_info info;

    if (!bench_open(&b, "bf16", (swarm_moe_spec){.sequences_max = 1, .context_max = 40})) {
        SKIP(MOE_NO_DATA);
    }
    bench_prompt(&b, 0, 0, 4);
    CHECK_EQ(bench_add(&b, 0), SWARM_OK);
    CHECK_EQ(swarm_moe_forget(b.model.moe, b.sequences[0]), SWARM_OK);
    CHECK_EQ(swarm_moe_forget(b.model.moe, b.sequences[0]), SWARM_E_STALE);
    bench_prompt(&b, 1, 0, 4);
    CHECK_EQ(bench_add(&b, 1), SWARM_OK); /* the same slot */
    CHECK(b.sequences[0].id != b.sequences[1].id);
    CHECK_EQ(swarm_moe_cancel(b.model.moe, b.sequences[0]), SWARM_E_STALE);
    CHECK_EQ(swarm_moe_sequence_get(b.model.moe, b.sequences[0], &info), SWARM_E_STALE);
    CHECK_EQ(swarm_moe_cancel(b.model.moe, (swarm_moe_sequence){0}), SWARM_E_STALE);
    CHECK_EQ(swarm_moe_cancel(b.model.moe, (swarm_moe_sequence){UINT64_MAX}), SWARM_E_STALE);
    CHECK_EQ(swarm_moe_tick(NULL, NULL), SWARM_E_INVALID);
    CHECK(swarm_moe_backend(NULL) == NULL);
    CHECK_EQ(swarm_moe_close(NULL), SWARM_OK);
    bench_shut(&b);
}

/* ---- pages */

TEST(a_prefix_is_computed_once) {
    static struct bench b;
    int32_t first[16];

    if (!bench_open(&b, "bf16",
                    (swarm_moe_spec){.sequences_max = 8, .context_max = 64, .page_tokens = 4})) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t i = 0; i < 3; i++) {
        static const uint32_t cached[] = {0, 20, 20};

        bench_prompt(&b, i, 0, 21 + i); /* 21: the last token is never taken from a page */
        CHECK_EQ(bench_add(&b, i), SWARM_OK);
        CHECK(moe_run(b.model.moe));
        CHECK_EQ(bench_info(&b, i).cached_tokens, cached[i]);
    }
    memcpy(first, b.answers[0], sizeof first);
    bench_prompt(&b, 3, 0, 21);
    CHECK_EQ(bench_add(&b, 3), SWARM_OK);
    bench_prompt(&b, 4, 1, 21); /* other tokens from the start: nothing is shared */
    CHECK_EQ(bench_add(&b, 4), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    CHECK_EQ(bench_info(&b, 3).cached_tokens, 20);
    CHECK_EQ(bench_info(&b, 4).cached_tokens, 0);
    CHECK(memcmp(first, b.answers[3], 8 * sizeof *first) == 0);
    CHECK_EQ(stats_of(&b).cached_tokens, 60);
    CHECK_EQ(stats_of(&b).pages_used, 0);
    CHECK(stats_of(&b).pages_kept != 0);
    bench_shut(&b);
}

/* A page is full in the middle of an answer, too: a second turn finds the first one's tokens. */
TEST(answers_are_shared_like_prompts) {
    static struct bench b;
    int32_t second[32];

    if (!bench_open(&b, "grouped",
                    (swarm_moe_spec){.sequences_max = 2, .context_max = 64, .page_tokens = 4})) {
        SKIP(MOE_NO_DATA);
    }
    bench_prompt(&b, 0, 0, 6);
    CHECK_EQ(bench_add(&b, 0), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    memcpy(second, b.tokens, 6 * sizeof *second);
    memcpy(second + 6, b.answers[0], 8 * sizeof *second);
    bench_prompt(&b, 1, 0, 14)->tokens = second;
    CHECK_EQ(bench_add(&b, 1), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    CHECK_EQ(bench_info(&b, 1).cached_tokens, 12); /* 13 were computed */
    bench_shut(&b);
}

TEST(without_pages_sequences_wait_in_order) {
    static struct bench b;
    swarm_moe_tick_info tick;

    if (!bench_open(&b, "bf16",
                    (swarm_moe_spec){
                        .sequences_max = 4, .context_max = 64, .page_tokens = 4, .pages_max = 6})) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t i = 0; i < 3; i++) {
        bench_prompt(&b, i, i * 32, i == 1 ? 17 : 9); /* the second needs all pages */
        CHECK_EQ(bench_add(&b, i), SWARM_OK);
    }
    CHECK_EQ(swarm_moe_tick(b.model.moe, &tick), SWARM_OK);
    CHECK_EQ(tick.began, 1);
    CHECK_EQ(tick.waiting, 2); /* the third would fit, but does not overtake */
    CHECK_EQ(tick.running, 1);
    CHECK_EQ(bench_info(&b, 1).state, SWARM_MOE_WAITING);
    CHECK(moe_run(b.model.moe));
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(bench_info(&b, i).outcome, SWARM_OUTCOME_OK);
        CHECK_EQ(bench_info(&b, i).new_tokens, 8);
    }
    CHECK_EQ(stats_of(&b).pages_used, 0);
    bench_shut(&b);
}

/* Room for three prompts, not for their answers: the youngest give way, and nothing changes. */
TEST(preempted_sequences_say_the_same) {
    static struct bench b, plain;
    uint64_t preempted;

    if (!bench_open(
            &b, "grouped",
            (swarm_moe_spec){
                .sequences_max = 4, .context_max = 64, .page_tokens = 2, .pages_max = 13})) {
        SKIP(MOE_NO_DATA);
    }
    bench_open(&plain, "grouped", (swarm_moe_spec){.sequences_max = 4, .context_max = 64});
    for (uint32_t i = 0; i < 4; i++) {
        bench_prompt(&b, i, i * 32, 4);
        bench_prompt(&plain, i, i * 32, 4);
        CHECK_EQ(bench_add(&b, i), SWARM_OK);
        CHECK_EQ(bench_add(&plain, i), SWARM_OK);
    }
    CHECK(moe_run(b.model.moe));
    CHECK(moe_run(plain.model.moe));
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(bench_info(&b, i).outcome, SWARM_OUTCOME_OK);
        CHECK(memcmp(b.answers[i], plain.answers[i], 8 * sizeof(int32_t)) == 0);
    }
    preempted = stats_of(&b).preempted;
    CHECK(preempted != 0);
    CHECK_EQ(bench_info(&b, 0).preempted, 0); /* the oldest never */
    CHECK(stats_of(&b).rebuilt_tokens + stats_of(&b).cached_tokens != 0);
    CHECK_EQ(stats_of(&plain).preempted, 0);
    CHECK_EQ(stats_of(&b).pages_used, 0);
    bench_shut(&b);
    bench_shut(&plain);
}

/* Equal hashes of different tokens are told apart by the tokens, and by the parent. */
TEST(hash_collisions_are_harmless) {
    static struct bench b;
    swarm_moe *moe;
    uint32_t one, two;
    int32_t tokens[] = {1, 2, 3, 4}, others[] = {1, 2, 3, 5};

    if (!bench_open(&b, "bf16",
                    (swarm_moe_spec){
                        .sequences_max = 1, .context_max = 16, .page_tokens = 4, .pages_max = 4})) {
        SKIP(MOE_NO_DATA);
    }
    moe = b.model.moe;
    one = page_take(moe);
    page_name(moe, one, NONE, tokens);
    memcpy(page_tokens_of(moe, one), others, sizeof others); /* as if both had one hash */
    CHECK_EQ(page_find(moe, NONE, tokens), NONE);
    memcpy(page_tokens_of(moe, one), tokens, sizeof tokens);
    CHECK_EQ(page_find(moe, NONE, tokens), one);
    two = page_take(moe);
    page_name(moe, two, one, others);
    CHECK_EQ(page_find(moe, one, others), two);
    moe->pages[one].generation++; /* as if the parent had been given to other tokens */
    CHECK_EQ(page_find(moe, one, others), NONE);
    moe->pages[one].generation--;
    page_drop(moe, two);
    page_drop(moe, one);
    CHECK_EQ(moe->pages_kept, 2);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(page_take(moe) != NONE); /* the two free ones, then the kept ones, oldest first */
    }
    CHECK_EQ(page_take(moe), NONE);
    CHECK_EQ(page_find(moe, NONE, tokens), NONE);
    bench_shut(&b);
}

/* ---- cancels */

TEST(cancel_at_any_time) {
    static struct bench b;

    if (!bench_open(&b, "bf16",
                    (swarm_moe_spec){.sequences_max = 4,
                                     .context_max = 64,
                                     .page_tokens = 4,
                                     .pages_max = 12,
                                     .prefill_max = 5})) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t ticks = 0; ticks < 16; ticks++) {
        uint32_t made;

        bench_prompt(&b, 0, 0, 14);
        bench_prompt(&b, 1, 64, 14);
        CHECK_EQ(bench_add(&b, 0), SWARM_OK);
        CHECK_EQ(bench_add(&b, 1), SWARM_OK); /* waits, when the first has most pages */
        for (uint32_t i = 0; i < ticks; i++) {
            (void)swarm_moe_tick(b.model.moe, NULL);
        }
        made = bench_info(&b, 0).new_tokens;
        CHECK_EQ(swarm_moe_cancel(b.model.moe, b.sequences[0]), SWARM_OK);
        CHECK_EQ(swarm_moe_cancel(b.model.moe, b.sequences[0]), SWARM_OK); /* idempotent */
        CHECK_EQ(bench_info(&b, 0).state, SWARM_MOE_DONE);
        CHECK_EQ(bench_info(&b, 0).outcome, made == 8 ? SWARM_OUTCOME_OK : SWARM_OUTCOME_CANCELLED);
        CHECK_EQ(bench_info(&b, 0).new_tokens, made);
        CHECK(moe_run(b.model.moe));
        CHECK_EQ(bench_info(&b, 1).outcome, SWARM_OUTCOME_OK);
        CHECK_EQ(stats_of(&b).pages_used, 0);
        CHECK_EQ(swarm_moe_forget(b.model.moe, b.sequences[0]), SWARM_OK);
        CHECK_EQ(swarm_moe_forget(b.model.moe, b.sequences[1]), SWARM_OK);
    }
    bench_shut(&b);
}

/* ---- rows that are not finite */

/* The embedding with one token's row made NaN. */
struct poison {
    void *index;
    float *embedding;
    uint32_t vocabulary, hidden;
};

static bool poisoned(void *context, const char *name, swarm_moe_tensor *out_tensor) {
    struct poison *poison = context;

    if (strcmp(name, "model.embed_tokens.weight") == 0) {
        *out_tensor = (swarm_moe_tensor){.data = poison->embedding,
                                         .size = (uint64_t)poison->vocabulary * poison->hidden *
                                                 sizeof(float),
                                         .shape = {poison->vocabulary, poison->hidden},
                                         .type = SWARM_MOE_F32,
                                         .rank = 2};
        return true;
    }
    return swarm_moe_file_find(poison->index, name, out_tensor);
}

TEST(a_row_that_is_not_finite_fails_alone) {
    static struct bench b, plain;
    struct poison poison;
    swarm_moe_tensor tensor;

    if (!bench_open(&plain, "grouped",
                    (swarm_moe_spec){.sequences_max = 4, .context_max = 64, .page_tokens = 4})) {
        SKIP(MOE_NO_DATA);
    }
    CHECK(swarm_moe_file_find(plain.model.weights.index, "model.embed_tokens.weight", &tensor));
    poison = (struct poison){plain.model.weights.index, malloc(tensor.size),
                             plain.model.config.vocabulary, plain.model.config.hidden};
    memcpy(poison.embedding, tensor.data, tensor.size);
    plain.tokens[200] = 127; /* stands nowhere else, and is in no answer */
    for (uint32_t i = 0; i < 64; i++) {
        plain.tokens[i] = (int32_t)i % 100;
    }
    poison.embedding[(size_t)127 * poison.hidden + 3] = float_of_bits(0x7fc00000u);
    bench_open(&b, "grouped",
               (swarm_moe_spec){.sequences_max = 4,
                                .context_max = 64,
                                .page_tokens = 4,
                                .lookup = poisoned,
                                .lookup_context = &poison});
    for (uint32_t i = 0; i < 3; i++) {
        bench_prompt(&plain, i, i * 16, 9);
        bench_prompt(&b, i, 0, 9)->tokens =
            plain.tokens + (i == 1 ? 196 : i * 16); /* the second has the poison in it */
        CHECK_EQ(bench_add(&plain, i), SWARM_OK);
        CHECK_EQ(bench_add(&b, i), SWARM_OK);
    }
    CHECK(moe_run(plain.model.moe));
    CHECK(moe_run(b.model.moe));
    CHECK_EQ(bench_info(&b, 1).outcome, SWARM_OUTCOME_TERMINAL);
    CHECK_EQ(bench_info(&b, 1).new_tokens, 0);
    for (uint32_t i = 0; i < 24; i++) {
        CHECK(i % 3 == 1 || plain.answers[i % 3][i / 3] != 127);
    }
    CHECK_EQ(stats_of(&b).failed, 1);
    CHECK_EQ(stats_of(&b).pages_used, 0);
    for (uint32_t i = 0; i < 3; i += 2) {
        CHECK_EQ(bench_info(&b, i).outcome, SWARM_OUTCOME_OK);
        CHECK(memcmp(b.answers[i], plain.answers[i], 8 * sizeof(int32_t)) == 0);
    }
    bench_shut(&b);
    bench_shut(&plain);
    free(poison.embedding);
}

/* ---- many */

TEST(batches_of_any_size_give_the_same_logits) {
    static const uint32_t sizes[] = {1, 2, 8, 64, 300};
    static struct bench b;
    float *first = NULL;

    for (uint32_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        float *logits;
        size_t bytes;

        if (!bench_open(&b, "bf16",
                        (swarm_moe_spec){.sequences_max = sizes[s],
                                         .context_max = 32,
                                         .page_tokens = 8,
                                         .rows_max = sizes[s] + 3})) {
            SKIP(MOE_NO_DATA);
        }
        bytes = (size_t)12 * b.model.config.vocabulary * sizeof(float);
        logits = malloc(bytes);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            bench_prompt(&b, i, i == 0 ? 0 : i % 200, 5);
            b.prompts[i].out_logits = i == 0 ? logits : NULL;
            CHECK_EQ(bench_add(&b, i), SWARM_OK);
        }
        CHECK(moe_run(b.model.moe));
        CHECK(sizes[s] < 300 || stats_of(&b).rows_largest >= 300);
        first = first == NULL ? memcpy(malloc(bytes), logits, bytes) : first;
        CHECK(memcmp(first, logits, bytes) == 0);
        free(logits);
        bench_shut(&b);
    }
    free(first);
}

/* Sequences come and go at random; whoever ends well says what it says alone. */
TEST(three_hundred_join_and_leave) {
    static struct bench b, plain;
    uint32_t live = 0, added = 0;

    if (!bench_open(&plain, "bf16", (swarm_moe_spec){.sequences_max = 300, .context_max = 32}) ||
        !bench_open(&b, "bf16",
                    (swarm_moe_spec){.sequences_max = 40,
                                     .context_max = 32,
                                     .page_tokens = 4,
                                     .pages_max = 60,
                                     .prefill_max = 20})) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t i = 0; i < 300; i++) {
        bench_prompt(&plain, i, i % 100, 1 + i % 11);
        CHECK_EQ(bench_add(&plain, i), SWARM_OK);
    }
    CHECK(moe_run(plain.model.moe));
    for (uint32_t round = 0; added < 300 || live != 0; round++) {
        while (added < 300 && test_below(3) != 0) {
            bench_prompt(&b, added, added % 100, 1 + added % 11);
            if (bench_add(&b, added) != SWARM_OK) {
                break;
            }
            added++;
        }
        if (added != 0 && test_below(4) == 0) {
            (void)swarm_moe_cancel(b.model.moe, b.sequences[test_below(added)]);
        }
        (void)swarm_moe_tick(b.model.moe, NULL);
        live = 0;
        for (uint32_t i = 0; i < added; i++) {
            swarm_moe_info info;

            if (swarm_moe_sequence_get(b.model.moe, b.sequences[i], &info) != SWARM_OK) {
                continue; /* forgotten */
            }
            live += info.state != SWARM_MOE_DONE;
            if (info.state == SWARM_MOE_DONE) {
                CHECK(info.outcome == SWARM_OUTCOME_OK || info.outcome == SWARM_OUTCOME_CANCELLED);
                CHECK(memcmp(b.answers[i], plain.answers[i], info.new_tokens * sizeof(int32_t)) ==
                      0);
                CHECK_EQ(swarm_moe_forget(b.model.moe, b.sequences[i]), SWARM_OK);
            }
        }
        CHECK(round < 100000);
    }
    CHECK_EQ(stats_of(&b).pages_used, 0);
    CHECK_EQ(stats_of(&b).sequences, 300);
    bench_shut(&b);
    bench_shut(&plain);
}

/* ---- drawing */

static const float few[] = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

static uint32_t drawn(swarm_moe_prompt prompt, uint32_t position) {
    uint32_t order[5];
    const struct candidates all = {few, order, 5};

    return (uint32_t)sample(&all, &prompt, position);
}

TEST(greedy_takes_the_lowest_of_the_largest) {
    CHECK_EQ(drawn((swarm_moe_prompt){.temperature_ppm = 0}, 5), 1);
}

TEST(top_k_and_top_p_cut) {
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t k = drawn((swarm_moe_prompt){.temperature_ppm = 1000000, .top_k = 3}, i);
        uint32_t p = drawn((swarm_moe_prompt){.temperature_ppm = 1000000, .top_p_ppm = 500000}, i);

        CHECK(k == 1 || k == 2 || k == 3);
        CHECK(p == 1 || p == 3); /* 0.39 each: one is not enough for a half */
        CHECK_EQ(drawn((swarm_moe_prompt){.temperature_ppm = 1000000, .top_k = 1}, i), 1);
        CHECK_EQ(drawn((swarm_moe_prompt){.temperature_ppm = 1000000, .top_p_ppm = 1}, i), 1);
    }
}

/* Shares of e^(x / T) / sum, by hand: T = 2. */
TEST(draws_follow_the_probabilities) {
    static const double share[] = {0.1325, 0.3602, 0.2185, 0.3602, 0.0487}; /* of sum 1.1201 */
    uint32_t count[5] = {0};

    for (uint32_t i = 0; i < 20000; i++) {
        count[drawn((swarm_moe_prompt){.temperature_ppm = 2000000, .seed = 3}, i)]++;
    }
    for (uint32_t i = 0; i < 5; i++) {
        double gap = count[i] / 20000.0 - share[i] / 1.1201;

        CHECK(gap < 0.012 && gap > -0.012);
    }
}

TEST(draws_are_repeatable) {
    static struct bench b;

    if (!bench_open(&b, "bf16", (swarm_moe_spec){.sequences_max = 4, .context_max = 64})) {
        SKIP(MOE_NO_DATA);
    }
    for (uint32_t i = 0; i < 3; i++) {
        bench_prompt(&b, i, 0, 9);
        b.prompts[i].temperature_ppm = 3000000;
        b.prompts[i].seed = i == 2 ? 8 : 7;
        CHECK_EQ(bench_add(&b, i), SWARM_OK);
        if (i == 0) {
            CHECK(moe_run(b.model.moe)); /* alone; the others together */
        }
    }
    CHECK(moe_run(b.model.moe));
    CHECK(memcmp(b.answers[0], b.answers[1], 8 * sizeof(int32_t)) == 0);
    CHECK(memcmp(b.answers[0], b.answers[2], 8 * sizeof(int32_t)) != 0);
    bench_shut(&b);
}

TEST(the_end_token_ends) {
    static struct bench b;

    if (!bench_open(&b, "grouped", (swarm_moe_spec){.sequences_max = 2, .context_max = 64})) {
        SKIP(MOE_NO_DATA);
    }
    bench_prompt(&b, 0, 0, 9);
    CHECK_EQ(bench_add(&b, 0), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    b.model.moe->model.end_token = (uint32_t)b.answers[0][4];
    bench_prompt(&b, 1, 0, 9)->flags = 0;
    CHECK_EQ(bench_add(&b, 1), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    CHECK(bench_info(&b, 1).new_tokens <= 5);
    CHECK_EQ(b.answers[1][bench_info(&b, 1).new_tokens - 1], b.answers[0][4]);
    bench_shut(&b);
}

/* ---- statistics */

TEST(loads_of_experts) {
    static struct bench b;
    swarm_moe_load load;
    uint64_t chosen[16], sum = 0, most = 0;

    if (!bench_open(&b, "bf16", (swarm_moe_spec){.sequences_max = 2, .context_max = 64})) {
        SKIP(MOE_NO_DATA);
    }
    bench_prompt(&b, 0, 0, 40);
    CHECK_EQ(bench_add(&b, 0), SWARM_OK);
    CHECK(moe_run(b.model.moe));
    CHECK_EQ(swarm_moe_load_get(b.model.moe, 0, false, &load, chosen), SWARM_E_INVALID);
    CHECK_EQ(swarm_moe_load_get(b.model.moe, 3, false, &load, chosen), SWARM_E_INVALID);
    CHECK_EQ(swarm_moe_load_get(b.model.moe, 1, true, &load, chosen), SWARM_OK);
    CHECK_EQ(load.tokens, 47);
    for (uint32_t i = 0; i < 16; i++) {
        sum += chosen[i];
        most = chosen[i] > most ? chosen[i] : most;
    }
    CHECK_EQ(sum, 47 * 4);
    CHECK_EQ(load.chosen_most, most);
    CHECK_EQ(chosen[load.expert_most], most);
    CHECK_EQ(load.most_ppm, (most * 16 * 1000000 + 94) / 188);
    CHECK(load.entropy_ppm > 500000 && load.entropy_ppm <= 1000000);
    CHECK_EQ(swarm_moe_load_get(b.model.moe, 1, false, &load, NULL), SWARM_OK);
    CHECK_EQ(load.tokens, 0);
    CHECK_EQ(load.dead, 16);
    CHECK_EQ(load.entropy_ppm, 0);
    bench_shut(&b);
}

TEST_MAIN()
