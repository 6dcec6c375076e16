/* SPDX-License-Identifier: MIT */
/*
 * The router alone, on the edge rows of ../shared/moe/router.safetensors: ties, saturation, groups,
 * rows that are not finite. A bad row fails alone; its neighbours' bits stay.
 */
#include "../backends/moe/moe_router.h"
#include "test_moe.h"

static const char *const names[] = {
    "k2_plain",       "zero_row",       "ties",      "k2_ties",        "near",
    "saturated_high", "saturated_low",  "negative",  "pushed_out",     "not_finite",
    "group_plain",    "group_negative", "group_tie", "group_two_best", "group_nan"};

static swarm_moe_tensor part(const struct moe_file *file, const char *name, const char *what) {
    swarm_moe_tensor tensor = {.data = NULL};
    char whole[64];

    snprintf(whole, sizeof whole, "%s.%s", name, what);
    CHECK(swarm_moe_file_find(file->index, whole, &tensor));
    return tensor;
}

/* Sums of the cases are exact in any order, so a plain loop gives the model's logits. */
static float logit(const void *weight, const void *hidden, uint64_t row, uint64_t expert,
                   uint64_t width) {
    float sum = 0;

    for (uint64_t k = 0; k < width; k++) {
        sum += moe_f32(weight, expert * width + k) * moe_f32(hidden, row * width + k);
    }
    return sum;
}

struct expected {
    swarm_moe_tensor index, out, fail;
};

static void check_row(const struct expected *expected, uint64_t row, uint32_t chosen,
                      const uint32_t *choice, const float *weight) {
    for (uint32_t k = 0; k < chosen; k++) {
        int32_t want = moe_i32(expected->index.data, row * chosen + k);
        uint32_t at = 0;
        double gap;

        while (at < chosen && choice[at] != (uint32_t)want) {
            at++;
        }
        CHECK(at < chosen);
        if (at < chosen) {
            gap = (double)weight[at] - moe_f64(expected->out.data, row * chosen + k);
            CHECK(gap < 3e-6 && gap > -3e-6);
        }
    }
}

static void check_case(const struct moe_file *file, const char *name) {
    swarm_moe_tensor weight = part(file, name, "weight"), bias = part(file, name, "bias");
    swarm_moe_tensor hidden = part(file, name, "hidden"), given = part(file, name, "params");
    struct expected expected = {part(file, name, "index"), part(file, name, "out"),
                                part(file, name, "fail")};
    swarm_moe_model model = {.experts = (uint32_t)moe_i32(given.data, 0),
                             .experts_chosen = (uint32_t)moe_i32(given.data, 2),
                             .groups = (uint32_t)moe_i32(given.data, 3),
                             .groups_chosen = (uint32_t)moe_i32(given.data, 4),
                             .router_scale = moe_f64(part(file, name, "scale").data, 0)};
    float *scores = calloc((size_t)model.experts * 3, sizeof *scores), biases[512], out[32];
    uint32_t choice[32];

    for (uint32_t i = 0; i < model.experts; i++) {
        biases[i] = moe_f32(bias.data, i);
    }
    for (uint64_t row = 0; row < hidden.shape[0]; row++) {
        bool fails = moe_i32(expected.fail.data, row) != 0;

        for (uint32_t i = 0; i < model.experts; i++) {
            scores[i] = logit(weight.data, hidden.data, row, i, hidden.shape[1]);
        }
        CHECK_EQ(route(&model, biases, scores, choice, out), !fails);
        if (fails) {
            for (uint32_t k = 0; k < model.experts_chosen; k++) {
                CHECK_EQ(choice[k], UINT32_MAX);
                CHECK(out[k] == 0);
            }
        } else {
            check_row(&expected, row, model.experts_chosen, choice, out);
        }
    }
    free(scores);
}

TEST(edge_cases) {
    struct moe_file file;

    if (!moe_file_open(&file, "", "router.safetensors")) {
        SKIP(MOE_NO_DATA);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t before = ATOMIC_LOAD(&test_failures, relaxed);

        check_case(&file, names[i]);
        if (ATOMIC_LOAD(&test_failures, relaxed) != before) {
            printf("# in case %s\n", names[i]);
        }
    }
    moe_file_close(&file);
}

/* Ties are decided by index alone, for experts and for groups. */
TEST(equal_scores_take_the_lowest_index) {
    swarm_moe_model model = {
        .experts = 12, .experts_chosen = 3, .groups = 3, .groups_chosen = 1, .router_scale = 1};
    float bias[12] = {0}, scores[36] = {0}, out[3];
    uint32_t choice[3];

    CHECK(route(&model, bias, scores, choice, out));
    for (uint32_t k = 0; k < 3; k++) {
        CHECK_EQ(choice[k], k);
        CHECK(out[k] > 0.33333f && out[k] < 0.33334f);
    }
    memset(scores, 0, sizeof scores);
    bias[5] = bias[7] = 0.25f; /* the second group wins, its two best first */
    CHECK(route(&model, bias, scores, choice, out));
    CHECK_EQ(choice[0], 5);
    CHECK_EQ(choice[1], 7);
    CHECK_EQ(choice[2], 4);
}

TEST(weights_as_given_are_not_made_to_sum_to_one) {
    swarm_moe_model model = {.experts = 2,
                             .experts_chosen = 2,
                             .groups = 1,
                             .groups_chosen = 1,
                             .router_scale = 2,
                             .weights_as_given = 1};
    float bias[2] = {0}, scores[6] = {0}, out[2];
    uint32_t choice[2];

    CHECK(route(&model, bias, scores, choice, out));
    CHECK(out[0] == 1.0f && out[1] == 1.0f); /* 2 * sigmoid(0) */
}

TEST(a_bias_that_is_none_fails_the_row) {
    swarm_moe_model model = {
        .experts = 4, .experts_chosen = 2, .groups = 1, .groups_chosen = 1, .router_scale = 1};
    float nan = float_of_bits(0x7fc00000u), bias[4] = {0, nan, nan, nan}, scores[12] = {0}, out[2];
    uint32_t choice[2];

    CHECK(!route(&model, bias, scores, choice, out));
    CHECK_EQ(choice[0], UINT32_MAX);
    CHECK_EQ(choice[1], UINT32_MAX);
}

TEST_MAIN()
