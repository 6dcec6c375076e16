/* SPDX-License-Identifier: MIT */
/*
 * test_mock.c - the simulated backend's numbers: memory, specs, distributions, independent draws.
 *
 * Expected quantiles are the closed forms of each distribution, computed in double precision by
 * Python's statistics module. What an attempt does is in test_mock_acts.c, and what becomes of it
 * in the real library in test_mock_sim.c.
 */
#include "test_mock_fake.h"

/* The latency that an attempt gets, with the mock left as it was. */
static uint64_t latency_of(uint64_t ordinal, uint32_t number) {
    uint64_t latency;

    memset(fake.answered, 0, sizeof fake.answered);
    fake.count = 0;
    fake.now_ns = 0;
    CHECK_EQ(deadline(), SWARM_NEVER);
    CHECK_EQ(submit(ordinal, number), SWARM_OK);
    latency = deadline();
    poll_at(SWARM_NEVER);
    return latency;
}

/* ---- Making one ---------------------------------------------------------------------------- */

TEST(works_without_a_spec_in_little_memory) {
    static unsigned char small[4096];

    memset(&fake, 0, sizeof fake);
    mock = swarm_mock_new(NULL, small, sizeof small);
    CHECK(mock != NULL);
    if (mock == NULL) {
        return;
    }
    table = swarm_mock_backend(mock);
    CHECK(strcmp(table->name, "mock") == 0);
    fake.now_ns = 5;
    CHECK_EQ(submit(3, 1), SWARM_OK);
    CHECK_EQ(deadline(), SECOND + 5);
    poll_at(SECOND + 4);
    CHECK_EQ(fake.count, 0);
    poll_at(SECOND + 5);
    CHECK_EQ(fake.count, 1);
    CHECK_EQ(fake.answers[0].attempt.id, 13);
    CHECK_EQ(fake.answers[0].outcome, SWARM_OUTCOME_OK);
    CHECK_EQ(fake.answers[0].result.value, 1003);
    CHECK_EQ(fake.answers[0].usage.cost_nano, 0);
    CHECK_EQ(deadline(), SWARM_NEVER);
}

TEST(memory_size_is_exact_and_any_alignment_will_do) {
    swarm_mock_spec spec = {.size = sizeof spec, .inflight_max = 10, .scripts_max = SWARM_NONE};
    size_t size = swarm_mock_memory_size(&spec), more;

    CHECK(size != 0 && size < sizeof memory);
    for (size_t shift = 0; shift < 32; shift++) {
        CHECK(swarm_mock_new(&spec, memory + shift, size) != NULL);
        CHECK(swarm_mock_new(&spec, memory + shift, size - 1) == NULL);
    }
    spec.inflight_max = 11;
    more = swarm_mock_memory_size(&spec);
    CHECK(more > size);
    spec.inflight_max = 0; /* as many as fit, 512 to be counted on */
    CHECK(swarm_mock_memory_size(&spec) == size + 502 * (more - size));
    CHECK(swarm_mock_memory_size(NULL) < 256 * 1024);
    CHECK(swarm_mock_new(NULL, NULL, 1000) == NULL);
    CHECK(swarm_mock_new(NULL, memory, 0) == NULL);
    CHECK(swarm_mock_new(NULL, memory, 100) == NULL);
}

TEST(without_a_limit_the_memory_is_the_limit) {
    swarm_mock_spec spec = {.size = sizeof spec, .inflight_max = 20};
    size_t size = swarm_mock_memory_size(&spec);
    uint64_t count = 0;

    memset(&fake, 0, sizeof fake);
    spec.inflight_max = 0;
    mock = swarm_mock_new(&spec, memory, size);
    table = swarm_mock_backend(mock);
    while (count < 100 && submit(count, 1) == SWARM_OK) {
        count++;
    }
    CHECK_EQ(count, 20);
}

TEST(absurd_specs_are_refused) {
    static const uint64_t trace[1] = {1};
    const swarm_mock_model bad[] = {
        {.kind = SWARM_MOCK_CALLBACK + 1},
        {.kind = UINT32_MAX},
        {.kind = SWARM_MOCK_CALLBACK}, /* and no callback */
        {.kind = SWARM_MOCK_TRACE},
        {.kind = SWARM_MOCK_TRACE, .trace_ns = trace},
        {.kind = SWARM_MOCK_TRACE, .trace_count = 1},
        {.min_ns = 2, .max_ns = 1},
        {.sigma_ppm = 3000001},
        {.alpha_ppm = 1009999},
        {.alpha_ppm = 100000001},
        {.input_tokens = ((uint64_t)1 << 40) + 1},
        {.output_tokens = UINT64_MAX},
        {.input_sigma_ppm = UINT32_MAX},
        {.output_sigma_ppm = 3000001},
        {.cached_ppm = 1000001},
        {.stall_ppm = 1000001},
        {.throttle_ppm = 1000001},
        {.failure_ppm = 1000001},
        {.garbage_ppm = 1000001},
        {.duplicate_ppm = 1000001},
        {.late_ppm = UINT32_MAX},
        {.failure = SWARM_OUTCOME_REFUSED},
        {.failure = SWARM_OUTCOME_THROTTLED},
        {.flags = SWARM_MOCK_STALL},
        {.flags = 1u << 31},
        {.reserved = 1},
    };
    const swarm_mock_model good = {.kind = SWARM_MOCK_TRACE, .trace_ns = trace, .trace_count = 1};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const swarm_mock_model two[2] = {good, bad[i]};
        swarm_mock_spec spec = {.size = sizeof spec, .models = two, .models_count = 2};

        CHECK_EQ(swarm_mock_memory_size(&spec), 0);
        CHECK(swarm_mock_new(&spec, memory, sizeof memory) == NULL);
        spec.models_count = 1;
        CHECK(swarm_mock_memory_size(&spec) != 0);
    }
}

TEST(bounds_may_meet) {
    const swarm_mock_model model = {.min_ns = 7, .max_ns = 7};

    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), 7);
}

TEST(absurd_limits_are_refused) {
    static const swarm_mock_model model;
    const swarm_mock_spec bad[] = {
        {.size = 0},
        {.size = sizeof(swarm_mock_spec) - 8},
        {.size = sizeof(swarm_mock_spec) + 8},
        {.size = sizeof(swarm_mock_spec), .models_count = 1},
        {.size = sizeof(swarm_mock_spec), .models = &model},
        {.size = sizeof(swarm_mock_spec), .models = &model, .models_count = 65537},
        {.size = sizeof(swarm_mock_spec), .inflight_max = (1u << 24) + 1},
        {.size = sizeof(swarm_mock_spec), .inflight_max = UINT32_MAX},
        {.size = sizeof(swarm_mock_spec), .scripts_max = (1u << 24) + 1},
        {.size = sizeof(swarm_mock_spec), .flags = SWARM_MOCK_DEAF},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(swarm_mock_memory_size(&bad[i]), 0);
        CHECK(swarm_mock_new(&bad[i], memory, sizeof memory) == NULL);
    }
}

TEST(null_arguments_are_refused) {
    static const swarm_mock_turn turn;
    static const swarm_mock_turn wrong[] = {{.outcome = 11}, {.flags = SWARM_MOCK_REFUSE}};
    swarm_mock_stats out;

    begin(NULL);
    CHECK(swarm_mock_backend(NULL) == NULL);
    CHECK_EQ(swarm_mock_script(NULL, 0, 0, &turn, 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_script(mock, 0, 0, NULL, 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_script(mock, 0, 0, &turn, 0), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_script(mock, 0, 0, &wrong[0], 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_script(mock, 0, 0, &wrong[1], 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_fail_nth(NULL, 0, SWARM_OUTCOME_LOST), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_fail_nth(mock, 0, SWARM_OUTCOME_OK), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_fail_nth(mock, 0, SWARM_OUTCOME_REFUSED + 1), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_stats_get(NULL, &out), SWARM_E_INVALID);
    CHECK_EQ(swarm_mock_stats_get(mock, NULL), SWARM_E_INVALID);
}

/* ---- Distributions ------------------------------------------------------------------------- */

/* A number with at most `ppm` millionths of error. */
static void check_near(uint64_t got, uint64_t wanted, uint64_t ppm) {
    uint64_t distance = got > wanted ? got - wanted : wanted - got;

    if (distance > wanted / 1000000 * ppm + wanted % 1000000 * ppm / 1000000 + 1) {
        CHECK_EQ(got, wanted);
    }
}

/* Probability 0..1 to 64 bits; doubles are good enough for a test's own numbers. */
static uint64_t word_of(double p) {
    return (uint64_t)(p * 18446744073709551616.0);
}

TEST(fractions_are_exact) {
    CHECK_EQ(multiply_divide(7, 6, 4), 10);
    CHECK_EQ(multiply_divide(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    CHECK_EQ(multiply_divide(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX), UINT64_MAX - 1);
    CHECK_EQ(multiply_divide(UINT64_MAX, UINT64_MAX, UINT64_MAX - 1), UINT64_MAX); /* too large */
    CHECK_EQ(multiply_divide(UINT64_MAX, 3, (uint64_t)1 << 63), 5);
    CHECK_EQ(multiply_divide((uint64_t)3 << 62, 0xC000000000000001u, 0xE000000000000001u),
             0xA492492492492492u);
    CHECK_EQ(multiply_shift(7, 6, 2), 10);
    CHECK_EQ(multiply_shift(UINT64_MAX, UINT64_MAX, 63), UINT64_MAX);
    CHECK_EQ(multiply_shift(UINT64_MAX, (uint64_t)1 << 62, 62), UINT64_MAX);
    CHECK_EQ(multiply_shift(UINT64_MAX, (uint64_t)1 << 62, 63), UINT64_MAX >> 1);
    CHECK_EQ(multiply_shift(UINT64_MAX, 1, 0), UINT64_MAX);
    CHECK_EQ(multiply_shift((uint64_t)1 << 32, (uint64_t)1 << 32, 0), UINT64_MAX);
    CHECK_EQ(multiply_shift(5, 7, 0), 35);
    CHECK_EQ(multiply_divide_up(7, 6, 4), 11);
    CHECK_EQ(multiply_divide_up(8, 6, 4), 12);
    CHECK_EQ(multiply_divide_up((uint64_t)1 << 63, 6, 4), (uint64_t)3 << 62);
    CHECK_EQ(multiply_divide_up(((uint64_t)1 << 63) + 1, 6, 4), ((uint64_t)3 << 62) + 2);
    CHECK_EQ(times_power(UINT64_MAX, -33 * (int64_t)ONE24), 0x7FFFFFFF);
    CHECK_EQ(times_power(UINT64_MAX, -34 * (int64_t)ONE24), 0);
    CHECK_EQ(times_power(5, 0), 5);
    CHECK_EQ(times_power(3, 61 * (int64_t)ONE24), (uint64_t)3 << 61);
    CHECK_EQ(times_power(4, 62 * (int64_t)ONE24), UINT64_MAX);
    CHECK_EQ(times_power(0, 63 * (int64_t)ONE24), 0);
}

TEST(every_kind_of_draw_has_its_stream) {
    static const uint64_t streams[] = {STREAM_LATENCY, STREAM_INPUT,     STREAM_OUTPUT,
                                       STREAM_STALL,   STREAM_THROTTLE,  STREAM_FAILURE,
                                       STREAM_GARBAGE, STREAM_DUPLICATE, STREAM_LATE};

    for (uint64_t i = 0; i < 9; i++) {
        CHECK_EQ(streams[i], 0x6D6F636B00000000u + i); /* in recordings: never to be changed */
    }
}

/* The draw whose normal quantile is that of p: the lowest bit is its sign, the rest its tail. */
static uint64_t normal_word(double p) {
    return p < 0.5 ? word_of(2 * p) & ~(uint64_t)1 : p > 0.5 ? word_of(2 - 2 * p) | 1 : UINT64_MAX;
}

TEST(normal_quantiles) {
    static const double p[] = {1e-9, 1e-4, 0.01, 0.25, 0.5, 0.9, 0.99, 0.9999, 1 - 1e-9};
    static const double z[] = {-5.997807015, -3.719016485, -2.326347874, -0.674489750, 0.0,
                               1.281551566,  2.326347874,  3.719016485,  5.997807015};

    for (int i = 0; i < 9; i++) {
        double got = (double)normal_quantile(normal_word(p[i])) / 16777216.0;

        CHECK(got - z[i] < 6e-5 && z[i] - got < 6e-5);
    }
    CHECK(normal_quantile(0) < 0 && normal_quantile(0) == -normal_quantile(1));
}

TEST(normal_quantile_is_monotone) {
    int64_t last = INT64_MIN;

    for (uint32_t octave = 20; octave < 64; octave++) {
        for (uint64_t i = 0; i < 5000; i++) {
            uint64_t base = (uint64_t)1 << octave;
            int64_t z = normal_quantile((base + base / 5000 * i) & ~(uint64_t)1);

            CHECK(z >= last);
            last = z;
        }
    }
    CHECK(last < 0 && last > -(1 << 14));
}

TEST(lognormal_quantiles) {
    static const double p[] = {1e-9, 1e-4, 0.01, 0.25, 0.5, 0.9, 0.99, 0.9999, 1 - 1e-9};
    static const uint32_t sigma[] = {500000, 700000, 1000000, 1500000};
    static const uint64_t wanted[4][9] = {
        {439851366, 1374481886, 2757739041, 6298680820, 8824969026, 16749373855, 28240554001,
         56661407527, 177059990193},
        {117551374, 579420712, 1535938479, 4881449810, 7827045382, 19195410018, 39886128421,
         105730841410, 521156305187},
        {15067398, 147131079, 592287701, 3089765947, 6065306597, 21848595899, 62111612425,
         250035167620, 2441559156050},
        {401973, 12265809, 99069197, 1180396581, 3246524674, 22196007743, 106389501726,
         859292882326, 26220468426551}};

    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < 9; i++) {
            check_near(draw_lognormal(normal_word(p[i]), 10 * SECOND, sigma[s]), wanted[s][i], 120);
        }
    }
    CHECK_EQ(draw_lognormal(1, 0, 3000000), 0);
    CHECK_EQ(draw_lognormal(1, UINT64_MAX, 3000000), UINT64_MAX);
    CHECK_EQ(draw_lognormal(0, 10 * SECOND, 3000000), 0);
}

TEST(exponential_and_pareto_quantiles) {
    static const double p[] = {1e-9, 1e-4, 0.01, 0.25, 0.5, 0.9, 0.99};
    static const uint64_t exponential[] = {207232658369, 92103403720, 46051701860, 13862943611,
                                           6931471806,   1053605157,  100503359};
    static const uint32_t alpha[] = {1500000, 2500000, 1010000};
    static const uint64_t pareto[3][7] = {
        {3333333333333331, 1547196277871, 71814489668, 8399473666, 5291336840, 3575886610,
         3355742402},
        {23886430233210, 238864302332, 37857440669, 10446606760, 7917047465, 6258269289,
         6024169356},
        {80643564442666304, 903804846478, 9459684369, 390640824, 196665476, 109896300, 100000050}};

    for (int i = 0; i < 7; i++) {
        check_near(draw_exponential(word_of(p[i]), 10 * SECOND), exponential[i], i < 6 ? 60 : 1000);
        for (int a = 0; a < 3; a++) {
            check_near(draw_pareto(word_of(p[i]), 10 * SECOND, alpha[a]), pareto[a][i], 60);
        }
    }
    check_near(draw_exponential(0, SECOND), 44361419556, 10); /* 64 ln 2 */
    CHECK(draw_exponential(UINT64_MAX, SECOND) < 1000);
    CHECK_EQ(draw_pareto(0, UINT64_MAX, 1010000), UINT64_MAX);
}

/* Means by quadrature: draws at the middle of n equal slices. */
TEST(means_are_the_means) {
    static const uint32_t sigma[] = {500000, 700000, 1000000, 1500000};
    const uint64_t n = 1 << 18, slice = UINT64_MAX / n;

    for (int s = 0; s < 4; s++) {
        uint64_t sum = 0;

        for (uint64_t i = 0; i < n; i++) {
            uint64_t draw = (i * slice + slice / 2) & ~(uint64_t)1;

            sum += draw_lognormal(draw, 10 * SECOND, sigma[s]);
            sum += draw_lognormal(draw | 1, 10 * SECOND, sigma[s]);
        }
        check_near(sum / (2 * n), 10 * SECOND, s < 3 ? 500 : 2000);
    }
    for (uint64_t i = 0, sum = 0, tail = 0; i <= n; i++) {
        if (i == n) {
            check_near(sum / n, 10 * SECOND, 100);
            check_near(tail / n, 10 * SECOND, 3000);
            break;
        }
        sum += draw_exponential(i * slice + slice / 2, 10 * SECOND);
        tail += draw_pareto(i * slice + slice / 2, 10 * SECOND, 2500000);
    }
}

/* The same through submit, with real draws: 1 % of the mean. */
TEST(sampled_means) {
    static const swarm_mock_model models[] = {
        {.kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10000000000, .sigma_ppm = 500000},
        {.kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10000000000, .sigma_ppm = 1000000},
        {.kind = SWARM_MOCK_EXPONENTIAL, .mean_ns = 10000000000},
        {.kind = SWARM_MOCK_UNIFORM, .mean_ns = 10000000000},
        {.kind = SWARM_MOCK_HEAVY_TAIL, .mean_ns = 10000000000, .alpha_ppm = 3000000},
        {.kind = SWARM_MOCK_CONSTANT, .mean_ns = 10000000000},
    };
    const uint32_t n = 100000;

    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        uint64_t sum = 0;

        begin_model(&models[m]);
        for (uint32_t i = 0; i < n; i++) {
            swarm_request request = start(1, 1);

            request.ordinal = i;
            CHECK_EQ(table->submit(mock, fake_swarm(), &request, &sum), SWARM_OK);
            sum += deadline();
            fake.answered[5] = false;
            poll_at(SWARM_NEVER);
            fake.now_ns = 0;
        }
        check_near(sum / n, 10 * SECOND, 10000);
    }
}

TEST(uniform_stays_in_its_bounds) {
    const swarm_mock_model some = {.kind = SWARM_MOCK_UNIFORM, .min_ns = 100, .max_ns = 102};
    const swarm_mock_model mean = {.kind = SWARM_MOCK_UNIFORM, .mean_ns = 50, .min_ns = 49};
    uint32_t seen[3] = {0};

    begin_model(&some);
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t latency = latency_of(i, 1);

        CHECK(latency >= 100 && latency <= 102);
        seen[latency % 3]++;
    }
    CHECK(seen[0] > 70 && seen[1] > 70 && seen[2] > 70);
    begin_model(&mean);
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t latency = latency_of(i, 1);

        CHECK(latency >= 49 && latency <= 51);
    }
    CHECK_EQ(draw_uniform(UINT64_MAX, 5, UINT64_MAX), UINT64_MAX);
    CHECK_EQ(draw_uniform(0, 0, UINT64_MAX), 0);
    CHECK_EQ(draw_uniform(UINT64_MAX, 5, 5), 5);
    CHECK_EQ(draw_uniform(12345, 9, 3), 9);
}

static uint64_t odd_latency(void *context, const swarm_request *request) {
    CHECK(context == &fake);
    return request->ordinal * 2 + 1;
}

TEST(traces_arguments_callbacks_and_bounds) {
    static const uint64_t trace[] = {11, 0, 33};
    const swarm_mock_model models[] = {
        {.kind = SWARM_MOCK_TRACE, .trace_ns = trace, .trace_count = 3},
        {.kind = SWARM_MOCK_ARGUMENT},
        {.kind = SWARM_MOCK_CALLBACK},
        {.kind = SWARM_MOCK_ARGUMENT, .min_ns = 1002, .max_ns = 1003},
        {.mean_ns = SWARM_ZERO},
    };
    const uint64_t wanted[5][6] = {{11, 0, 33, 11, 0, 33},
                                   {1000, 1001, 1002, 1003, 1004, 1005},
                                   {1, 3, 5, 7, 9, 11},
                                   {1002, 1002, 1002, 1003, 1003, 1003},
                                   {0, 0, 0, 0, 0, 0}};

    for (int m = 0; m < 5; m++) {
        swarm_mock_spec spec = {.size = sizeof spec,
                                .models = &models[m],
                                .models_count = 1,
                                .latency = odd_latency,
                                .context = &fake};

        begin(&spec);
        for (uint64_t i = 0; i < 6; i++) {
            CHECK_EQ(latency_of(i, 1), wanted[m][i]);
        }
    }
}

/* M47: tokens * 10^9 / 640 + tokens * 10^10 / 245 ns, each rounded up. */
TEST(tokens_take_their_time) {
    swarm_mock_model model = {
        .kind = SWARM_MOCK_TOKENS, .input_tokens = 1000, .output_tokens = 100};

    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), 1562500000 + 4081632654);
    model.cached_ppm = 900000;
    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), 156250000 + 4081632654);
    model.prefill_milli = 3000;
    model.decode_milli = 7000;
    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), 33333333334 + 14285714286);
    model = (swarm_mock_model){.kind = SWARM_MOCK_TOKENS, .output_tokens = (uint64_t)1 << 38};
    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), 11219506405877551021ull);
    model.output_tokens = (uint64_t)1 << 40; /* more than 2^64 ns */
    begin_model(&model);
    CHECK_EQ(latency_of(1, 1), SWARM_NEVER);
}

TEST(tokens_may_vary_around_their_mean) {
    const swarm_mock_model model = {.input_tokens = 600,
                                    .output_tokens = 50,
                                    .input_sigma_ppm = 1000000,
                                    .output_sigma_ppm = 300000,
                                    .cached_ppm = 250000,
                                    .mean_ns = SWARM_ZERO};
    uint64_t input = 0, output = 0;

    begin_model(&model);
    for (uint32_t i = 0; i < 100000; i++) {
        swarm_request request = start(1, 1);
        uint64_t until_ns;
        const swarm_usage *usage = &fake.answers[0].usage;

        request.ordinal = i;
        fake.count = 0;
        CHECK_EQ(table->submit(mock, fake_swarm(), &request, &until_ns), SWARM_OK);
        poll_at(0);
        fake.answered[5] = false;
        CHECK_EQ(usage->cached_tokens, usage->input_tokens / 4);
        input += usage->input_tokens;
        output += usage->output_tokens;
    }
    check_near(input, 60000000, 10000);
    check_near(output, 5000000, 10000);
}

/* ---- Independence -------------------------------------------------------------------------- */

static const swarm_mock_model plain = {
    .kind = SWARM_MOCK_LOGNORMAL, .mean_ns = 10000000000, .sigma_ppm = 700000};
static const swarm_mock_model faulty = {.kind = SWARM_MOCK_LOGNORMAL,
                                        .mean_ns = 10000000000,
                                        .sigma_ppm = 700000,
                                        .failure_ppm = 200000,
                                        .garbage_ppm = 100000,
                                        .duplicate_ppm = 500000,
                                        .late_ppm = 500000,
                                        .input_sigma_ppm = 500000,
                                        .input_tokens = 100};

TEST(a_fault_shifts_no_other_draw) {
    static uint64_t latencies[500];

    begin_model(&plain);
    for (uint64_t i = 0; i < 500; i++) {
        latencies[i] = latency_of(i, (uint32_t)(1 + i % 3));
    }
    begin_model(&faulty);
    for (uint64_t i = 500; i-- > 0;) { /* in another order, too */
        CHECK_EQ(latency_of(i, (uint32_t)(1 + i % 3)), latencies[i]);
    }
}

/* Outcomes of the first 2,000 attempts: a bit a kind. */
static void outcomes(const swarm_mock_model *model, uint32_t *out) {
    for (uint64_t i = 0; i < 1000; i++) {
        begin_model(model);
        submit(i, 1);
        poll_at(SWARM_NEVER);
        out[i] = fake.answers[0].outcome | (fake.count == 2 ? 16u : 0);
    }
}

TEST(a_fault_of_no_probability_changes_nothing_else) {
    static uint32_t all[1000], less[1000];
    swarm_mock_model model = faulty;

    outcomes(&model, all);
    model.garbage_ppm = 0;
    model.late_ppm = 0;
    outcomes(&model, less);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(less[i], (all[i] & 15) == SWARM_OUTCOME_GARBAGE ? all[i] & 16 : all[i]);
    }
    model.failure_ppm = 0;
    outcomes(&model, less);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(less[i] & 16, all[i] & 16);
    }
}

TEST(draws_depend_on_seed_run_step_and_attempt) {
    swarm_mock_spec spec = {.size = sizeof spec, .models = &plain, .models_count = 1, .seed = 7};
    swarm_request request = start(3, 1);
    uint64_t until_ns, first, other;

    begin(&spec);
    first = latency_of(3, 1);
    CHECK_EQ(latency_of(3, 1), first);
    CHECK(latency_of(3, 2) != first);
    CHECK(latency_of(4, 1) != first);
    request.run_seed++;
    fake.now_ns = 0;
    table->submit(mock, fake_swarm(), &request, &until_ns);
    other = deadline();
    CHECK(other != first && other < 100 * SECOND);
    spec.seed = 8;
    begin(&spec);
    CHECK(latency_of(3, 1) != first);
}

TEST(faults_come_as_often_as_said) {
    const swarm_mock_model model = {.mean_ns = SWARM_ZERO,
                                    .failure_ppm = 20000,
                                    .throttle_ppm = 100000,
                                    .stall_ppm = 5000,
                                    .garbage_ppm = 300000,
                                    .failure = SWARM_OUTCOME_TERMINAL};
    uint64_t count[10] = {0};

    begin_model(&model);
    for (uint32_t i = 0; i < 100000; i++) {
        swarm_request request = start(1, 1);
        uint64_t until_ns;

        request.ordinal = i;
        fake.count = 0;
        CHECK_EQ(table->submit(mock, fake_swarm(), &request, &until_ns), SWARM_OK);
        cancel(1, 1); /* ends the stalled ones */
        poll_at(0);
        fake.answered[5] = false;
        CHECK_EQ(fake.count, 1);
        count[fake.answers[0].outcome]++;
    }
    check_near(stats().stalled, 500, 100000);
    CHECK_EQ(count[SWARM_OUTCOME_CANCELLED], stats().stalled);
    check_near(count[SWARM_OUTCOME_THROTTLED], 9950, 30000);
    check_near(count[SWARM_OUTCOME_TERMINAL], 1791, 60000); /* of the other 90 % */
    check_near(count[SWARM_OUTCOME_GARBAGE], 26328, 20000);
    CHECK_EQ(stats().answers, 100000);
}

TEST_MAIN()
