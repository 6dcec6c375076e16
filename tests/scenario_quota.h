/* SPDX-License-Identifier: MIT */
/*
 * scenario_quota.h - quota_death: the account behind 300 agents is exhausted within a run.
 *
 * 4,000 steps in 300 chains, LN(10 s, .7) each, paid in tokens from one account. When that is
 * empty, what is in flight ends with the outcome QUOTA at once, and so does whatever is started
 * from then on. The run must come to rest with every step ended, held with the reason, or waiting
 * for one that is. Then the account is charged and the run driven on: what it pays again for a step
 * that had ended is recharged. All values are sums over the block of seeds, but for the time, which
 * is the longest.
 */
#ifndef SWARM_TESTS_SCENARIO_QUOTA_H
#define SWARM_TESTS_SCENARIO_QUOTA_H

#include "scenario.h"

enum {
    QUOTA_SEEDS = 20,
    QUOTA_AGENTS = 300,
    QUOTA_STEPS = 4000,
    QUOTA_TOKENS = 600, /* a step */
    QUOTA_PAID = 2000   /* steps that the account pays for */
};

/* The provider: attempts in flight, and what is left in the account. */
struct account {
    struct {
        swarm_attempt attempt;
        uint64_t due_ns, ordinal;
    } flight[QUOTA_AGENTS];
    uint32_t count;
    uint64_t left, died_ns, recharged;
    bool paid[QUOTA_STEPS]; /* ended well, and was paid for */
};

static inline swarm_status account_submit(void *context, swarm *sw, const swarm_request *request,
                                          uint64_t *out_until_ns) {
    struct account *account = context;
    struct draws d = {request->run_seed, 9, 2 * request->ordinal};
    uint64_t now_ns = request->now_ns;
    (void)sw;
    (void)out_until_ns;
    account->flight[account->count].attempt = request->attempt;
    account->flight[account->count].ordinal = request->ordinal;
    account->flight[account->count++].due_ns =
        account->left == 0 ? now_ns : now_ns + draw_time(&d, 10, 0.7);
    account->recharged += account->paid[request->ordinal] ? QUOTA_TOKENS : 0;
    return SWARM_OK;
}

static inline uint64_t account_deadline(void *context) {
    const struct account *account = context;
    uint64_t first = SWARM_NEVER;
    for (uint32_t i = 0; i < account->count; ++i) {
        uint64_t due = account->left == 0 ? 0 : account->flight[i].due_ns;
        first = due < first ? due : first;
    }
    return first;
}

/* With the last token everything else in flight is over too. */
static inline void account_poll(void *context, swarm *sw, uint64_t now_ns) {
    struct account *account = context;
    for (uint32_t i = 0; i < account->count;) {
        swarm_completion answer = {.attempt = account->flight[i].attempt};
        if (account->left != 0 && account->flight[i].due_ns > now_ns) {
            ++i;
            continue;
        }
        if (account->left == 0) {
            answer.outcome = SWARM_OUTCOME_QUOTA;
        } else {
            answer.usage.output_tokens = QUOTA_TOKENS;
            account->paid[account->flight[i].ordinal] = true;
            account->left -= QUOTA_TOKENS;
            account->died_ns = now_ns;
        }
        (void)swarm_complete(sw, &answer);
        account->flight[i] = account->flight[--account->count];
        i = account->left == 0 ? 0 : i;
    }
}

static inline swarm_status quota_plan(swarm *sw, swarm_run run, swarm_step *steps) {
    swarm_plan *plan = swarm_plan_open(sw, run);
    const swarm_step_spec spec = {.retry = {.attempts_max = 3}};
    for (uint32_t i = 0; i < QUOTA_STEPS; ++i) {
        steps[i] = swarm_step_add(plan, &spec);
        if (i >= QUOTA_AGENTS) {
            swarm_edge_add(plan, steps[i - QUOTA_AGENTS], steps[i], 0);
        }
    }
    return swarm_plan_commit(plan, NULL);
}

/* Steps that are at rest: one that waits for others is when the run is paused. */
static inline uint64_t quota_at_rest(swarm *sw, const swarm_step *steps, bool paused) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < QUOTA_STEPS; ++i) {
        swarm_step_info info = {.state = SWARM_STEP_READY};
        (void)swarm_step_status(sw, steps[i], &info);
        count += info.state >= SWARM_STEP_OK ||
                 (info.state == SWARM_STEP_HELD && info.held == SWARM_HELD_QUOTA) ||
                 (info.state == SWARM_STEP_PENDING && paused);
    }
    return count;
}

struct quota_sums {
    uint64_t at_rest, settle_ns, recharged;
};

static inline bool quota_drive(struct scenario *s, swarm *sw, struct account *account,
                               uint64_t seed, struct quota_sums *sums) {
    static swarm_step steps[QUOTA_STEPS];
    const swarm_backend backend = {.size = sizeof backend,
                                   .name = "account",
                                   .context = account,
                                   .submit = account_submit,
                                   .poll = account_poll,
                                   .deadline = account_deadline};
    swarm_profile_spec profile = {.name = "payer", .backend = swarm_backend_add(sw, &backend)};
    swarm_run run = swarm_run_open(sw, &(swarm_run_spec){.seed = seed});
    swarm_stats stats = {.now_ns = 0};
    swarm_run_report report = {.ok = 0};
    swarm_agent_add(sw, swarm_profile_add(sw, &profile), QUOTA_AGENTS);
    swarm_status status = quota_plan(sw, run, steps);
    status = status != SWARM_OK ? status : swarm_sim_drive(sw, NULL);
    if (status != SWARM_E_PAUSED) {
        return scenario_fail(s, status, "the run did not pause");
    }
    (void)swarm_stats_get(sw, &stats);
    uint64_t settle_ns = stats.now_ns - account->died_ns;
    sums->settle_ns = settle_ns > sums->settle_ns ? settle_ns : sums->settle_ns;
    sums->at_rest += quota_at_rest(sw, steps, swarm_run_check(sw, run, NULL) == SWARM_E_PAUSED);
    account->left = UINT64_MAX;
    status = swarm_breaker_reset(sw, profile.backend);
    status = status != SWARM_OK ? status : swarm_sim_drive(sw, NULL);
    status = status != SWARM_OK ? status : swarm_run_report_get(sw, run, &report);
    sums->recharged += account->recharged;
    return (status == SWARM_OK && report.ok == QUOTA_STEPS &&
            report.usage.output_tokens == (uint64_t)QUOTA_STEPS * QUOTA_TOKENS) ||
           scenario_fail(s, status, "the run did not end well");
}

static inline bool quota_run(struct scenario *s, uint64_t seed, struct quota_sums *sums) {
    static struct account account;
    static const struct account fresh;
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .seed = seed};
    swarm *sw = NULL;
    swarm_status status = swarm_new(&config, &sw);
    if (status != SWARM_OK) {
        return scenario_fail(s, status, NULL);
    }
    account = fresh;
    account.left = (uint64_t)QUOTA_PAID * QUOTA_TOKENS;
    bool good = quota_drive(s, sw, &account, seed, sums);
    return swarm_free(sw) == SWARM_OK && good;
}

static inline bool play_quota_death(struct scenario *s) {
    struct quota_sums sums = {0};
    for (uint64_t i = 0; i < QUOTA_SEEDS; ++i) {
        if (!quota_run(s, s->seed + i, &sums)) {
            return false;
        }
    }
    scenario_add(s, "steps", (uint64_t)QUOTA_SEEDS * QUOTA_STEPS);
    scenario_add(s, "terminal_or_paused", sums.at_rest);
    scenario_add(s, "ms_to_settle", sums.settle_ns / MS);
    scenario_add(s, "recharged_tokens", sums.recharged);
    return true;
}

#endif
