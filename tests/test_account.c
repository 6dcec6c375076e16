/* SPDX-License-Identifier: MIT */
/*
 * The numbers of a run: the cases of the definition, worked out by hand; agents; pass rates.
 * test_metrics.c compares with brute force.
 */
#include "test_logs.h"

static unsigned char memory[1 << 19];
static struct test_log text;

static bool read_metrics(const swarm_trace_spec *spec, swarm_metrics *m) {
    swarm_trace *trace = NULL;
    bool good = swarm_trace_new(spec, memory, sizeof memory, &trace) == SWARM_OK &&
                swarm_trace_metrics(trace, m) == SWARM_OK;

    CHECK(good);
    return good;
}

/* ---- the cases of the definition, by hand */

/* A run of unit steps: what an agent does one after the other. */
struct script {
    uint64_t now, steps, plan;
};

static void script_begin(struct script *s) {
    text.size = 0;
    text.frames = 0;
    memset(s, 0, sizeof *s);
    LOG_EVENT(&text, 0, SWARM_EVENT_RUN_OPEN, SWARM_NEVER, 5, 6);
}

/* `count` steps from `creator` + 1 on: field 0 of each is 0 for an agent step. */
static void script_plan(struct script *s, uint64_t creator, uint64_t count) {
    LOG_EVENT(&text, s->now, SWARM_EVENT_PLAN, SWARM_NEVER, ++s->plan, s->steps, count, 0, 0,
              creator);
}

static uint64_t script_step(struct script *s, bool call, uint64_t before) {
    LOG_EVENT(&text, s->now, SWARM_EVENT_STEP, s->steps, call, 0, 0, 0, 0, 0, 0, 0);
    if (before != SWARM_NEVER) {
        LOG_EVENT(&text, s->now, SWARM_EVENT_EDGE, s->steps, before, 0);
    }
    return s->steps++;
}

/* Runs a step on an agent, for one unit of time, at the end of all that was. */
static void script_run(struct script *s, uint64_t step, uint64_t agent) {
    if (agent != 0) {
        LOG_EVENT(&text, s->now, SWARM_EVENT_READY, step, 0);
        LOG_EVENT(&text, s->now, SWARM_EVENT_START, step, 1, 0, agent, 0);
        s->now++;
        LOG_EVENT(&text, s->now, SWARM_EVENT_DONE, step, 1, 0, SWARM_OUTCOME_OK, 1, 0, 1, 1, 0);
    }
    LOG_EVENT(&text, s->now, SWARM_EVENT_END, step, SWARM_STEP_OK, 0);
}

/* A coordinator's turn on agent 1, and the call step that expands it. */
static uint64_t script_turn(struct script *s, uint64_t turn) {
    uint64_t expand = turn + 1;

    script_run(s, turn, 1);
    return expand;
}

static swarm_metrics script_end(void) {
    swarm_trace_spec spec = {.log = text.bytes, .log_size = text.size};
    swarm_metrics m = {0};

    read_metrics(&spec, &m);
    return m;
}

/* A chain of so many steps behind `before`, all on one agent; the last of them. */
static uint64_t script_chain(struct script *s, uint64_t before, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        before = script_step(s, false, before);
    }
    return before;
}

static void script_run_chain(struct script *s, uint64_t last, uint64_t count, uint64_t agent) {
    for (uint64_t i = 0; i < count; i++) {
        script_run(s, last + 1 - count + i, agent);
    }
}

TEST(one_stage_and_a_synthesis) {
    struct script s;
    uint64_t last[3], counts[3] = {5, 7, 2}, end, expand;

    script_begin(&s);
    script_plan(&s, 0, 2);
    (void)script_step(&s, false, SWARM_NEVER);
    (void)script_step(&s, true, 0);
    expand = script_turn(&s, 0);
    script_plan(&s, expand + 1, 15);
    for (uint32_t i = 0; i < 3; i++) {
        last[i] = script_chain(&s, SWARM_NEVER, counts[i]);
    }
    end = script_step(&s, false, last[0]);
    LOG_EVENT(&text, s.now, SWARM_EVENT_EDGE, end, last[1], 0);
    LOG_EVENT(&text, s.now, SWARM_EVENT_EDGE, end, last[2], 0);
    LOG_EVENT(&text, s.now, SWARM_EVENT_END, expand, SWARM_STEP_OK, 0);
    for (uint32_t i = 0; i < 3; i++) {
        script_run_chain(&s, last[i], counts[i], 2 + i);
    }
    script_run(&s, end, 1);
    swarm_metrics m = script_end();
    CHECK_EQ(m.staged_steps, 9);
    CHECK_EQ(m.span_steps, 9);
    CHECK_EQ(m.work_steps, 16);
    CHECK_EQ(m.unused, 0);
}

TEST(two_stages_of_which_the_second_needs_little) {
    struct script s;
    uint64_t a, b, c, expand;

    script_begin(&s);
    script_plan(&s, 0, 2);
    (void)script_step(&s, false, SWARM_NEVER);
    (void)script_step(&s, true, 0);
    expand = script_turn(&s, 0);
    script_plan(&s, expand + 1, 12);
    a = script_chain(&s, SWARM_NEVER, 1);
    b = script_chain(&s, SWARM_NEVER, 9);
    uint64_t turn = script_step(&s, false, a);
    (void)script_step(&s, true, turn);
    LOG_EVENT(&text, s.now, SWARM_EVENT_END, expand, SWARM_STEP_OK, 0);
    script_run(&s, a, 2);
    script_run_chain(&s, b, 9, 3);
    expand = script_turn(&s, turn);
    script_plan(&s, expand + 1, 9);
    c = script_chain(&s, SWARM_NEVER, 9);
    LOG_EVENT(&text, s.now, SWARM_EVENT_END, expand, SWARM_STEP_OK, 0);
    script_run_chain(&s, c, 9, 4);
    swarm_metrics m = script_end();
    CHECK_EQ(m.staged_steps, 20);
    CHECK_EQ(m.span_steps, 12);
    CHECK_EQ(m.unused, 9); /* b */
}

TEST(two_agents_in_a_row) {
    struct script s;
    uint64_t x, y, expand;

    script_begin(&s);
    script_plan(&s, 0, 2);
    (void)script_step(&s, false, SWARM_NEVER);
    (void)script_step(&s, true, 0);
    expand = script_turn(&s, 0);
    script_plan(&s, expand + 1, 10);
    x = script_chain(&s, SWARM_NEVER, 5);
    y = script_chain(&s, x, 5);
    LOG_EVENT(&text, s.now, SWARM_EVENT_END, expand, SWARM_STEP_OK, 0);
    script_run_chain(&s, x, 5, 2);
    script_run_chain(&s, y, 5, 3);
    swarm_metrics m = script_end();
    CHECK_EQ(m.staged_steps, 6);
    CHECK_EQ(m.span_steps, 11);
}

TEST(one_agent_is_no_collapse_and_many_idle_ones_are) {
    struct script s;

    script_begin(&s);
    script_plan(&s, 0, 5);
    (void)script_chain(&s, SWARM_NEVER, 5);
    script_run_chain(&s, 4, 5, 1);
    swarm_metrics m = script_end();
    CHECK_EQ(m.collapse_ppm, 0); /* a chain */
    CHECK_EQ(m.possible_ppm, 1000000);
    script_begin(&s);
    script_plan(&s, 0, 20);
    for (uint32_t i = 0; i < 20; i++) {
        (void)script_step(&s, false, SWARM_NEVER);
    }
    for (uint32_t i = 0; i < 20; i++) {
        script_run(&s, i, i < 17 ? 1 : i); /* agent 1 does 17 of 20, three others one each */
    }
    m = script_end();
    CHECK_EQ(m.possible_ppm, 20000000);
    CHECK_EQ(m.busiest_ppm, 850000);
    CHECK_EQ(m.collapse_ppm, 800000); /* W = 4: (0.85 - 0.25) / 0.75 */
    CHECK_EQ(m.spurious_ppm, 950000); /* 19 of 20 lead to nothing, and others take as long */
}

TEST(nothing_happened) {
    struct script s;

    script_begin(&s);
    swarm_metrics m = script_end(), zero = {0};
    CHECK(memcmp(&m, &zero, sizeof m) == 0);
    script_plan(&s, 0, 0);
    m = script_end();
    zero.plans = 1;
    CHECK(memcmp(&m, &zero, sizeof m) == 0);
}

TEST(agents_and_profiles) {
    swarm_trace_spec spec = {.log = text.bytes};
    swarm_agent_metrics agent;
    swarm_trace *trace = NULL;
    struct script s;

    script_begin(&s);
    script_plan(&s, 0, 4);
    (void)script_chain(&s, SWARM_NEVER, 4);
    script_run_chain(&s, 2, 3, 7);
    script_run(&s, 3, 5);
    spec.log_size = text.size;
    CHECK_EQ(swarm_trace_new(&spec, memory, sizeof memory, &trace), SWARM_OK);
    CHECK_EQ(swarm_trace_agent(trace, 0, &agent), SWARM_OK);
    CHECK(agent.agent == 5 && agent.attempts == 1 && agent.won == 1 && agent.work_ns == 1);
    CHECK(agent.share_ppm == 250000 && agent.busy_ppm == 250000);
    CHECK_EQ(swarm_trace_agent(trace, 1, &agent), SWARM_OK);
    CHECK(agent.agent == 7 && agent.attempts == 3 && agent.usage.input_tokens == 3);
    CHECK_EQ(swarm_trace_agent(trace, 2, &agent), SWARM_E_MISSING);
    CHECK_EQ(swarm_trace_profile(trace, 0, &agent), SWARM_OK); /* the log names none */
    CHECK(agent.agents == 2 && agent.attempts == 4 && agent.share_ppm == 1000000);
    CHECK_EQ(swarm_trace_profile(trace, 1, &agent), SWARM_E_MISSING);
}

/* ---- pass@k, pass^k */

/* Counts the k-subsets of n runs, the first c of which went well. */
static void count_subsets(uint32_t n, uint32_t c, uint32_t k, uint64_t *any, uint64_t *all) {
    uint64_t total = 0, good = 0, whole = 0;

    for (uint32_t set = 0; set < UINT32_C(1) << n; set++) {
        uint32_t size = 0, well = 0;

        for (uint32_t i = 0; i < n; i++) {
            size += set >> i & 1;
            well += i < c && (set >> i & 1) != 0;
        }
        total += size == k;
        good += size == k && well != 0;
        whole += size == k && well == k;
    }
    *any = good * 1000000 / total;
    *all = whole * 1000000 / total;
}

TEST(pass_rates) {
    for (uint32_t n = 1; n <= 10; n++) {
        for (uint32_t c = 0; c <= n; c++) {
            for (uint32_t k = 1; k <= n; k++) {
                uint64_t any, all, found_any = 0, found_all = 0;

                count_subsets(n, c, k, &any, &all);
                CHECK_EQ(swarm_pass_rates(n, c, k, &found_any, &found_all), SWARM_OK);
                CHECK_EQ(found_any, any);
                CHECK_EQ(found_all, all);
            }
        }
    }
    uint64_t any = 0, all = 0;
    CHECK_EQ(swarm_pass_rates(1000, 999, 1000, &any, &all), SWARM_OK);
    CHECK(any == 1000000 && all == 0);
    CHECK_EQ(swarm_pass_rates(1000, 999, 500, &any, &all), SWARM_OK);
    CHECK(any == 1000000 && all == 500000); /* the bad one is among 500 of 1,000 half the time */
}

TEST_MAIN()
