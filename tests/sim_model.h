/* SPDX-License-Identifier: MIT */
/*
 * sim_model.h - the naive model: it reads the log as it is written and says of each event whether
 * it was allowed, and between instants whether everything that had to happen has happened.
 *
 * It was written from swarm.h, knows nothing of how the library works, and looks at everything
 * every time. An event is a transition; model_event is its judge. Model_quiet looks for what is
 * missing: a step that could be ready, an agent that could work, a timeout that is past.
 */
#ifndef SWARM_TESTS_SIM_MODEL_H
#define SWARM_TESTS_SIM_MODEL_H

#include "sim_world.h"

#define SECOND UINT64_C(1000000000)

/* What an edge, or all edges of a step, say: wait, go on, or never. */
enum { WAITS, GOES, NEVER };

static inline bool is_over(const struct sim_step *step) {
    return step->state >= SWARM_STEP_OK;
}

static inline uint64_t delay_of(const swarm_edge_spec *rule) {
    return rule->delay_ns == SWARM_ZERO ? 0 : rule->delay_ns;
}

static inline bool is_taken(const struct sim_step *from, const swarm_edge_spec *rule) {
    return rule->when == SWARM_WHEN_ALWAYS ||
           (rule->when == SWARM_WHEN_BRANCH ? from->branch == rule->value
                                            : from->confidence_ppm >= rule->value);
}

/* What the edge does when its predecessor did not do well, or it is not taken. */
static inline uint32_t fallback_of(const struct sim_step *from, const swarm_edge_spec *rule) {
    bool skipped = from->state == SWARM_STEP_SKIPPED || from->state == SWARM_STEP_OK;

    return skipped ? rule->on_skip : rule->on_failure;
}

/* When it is looked at: `lazy` asks what must have happened by now, and not what may. */
struct look {
    uint64_t now_ns;
    bool lazy;
};

/* A step that is cancelled while it waits ends at once, but those behind it hear of it only when
 * those before it have ended too. */
static inline bool is_heard(const struct sim_step *from, struct look look) {
    return is_over(from) && (!look.lazy || from->heard);
}

static inline uint32_t verdict_of_edge(const struct sim_run *run, const struct into *into,
                                       struct look look) {
    const struct sim_step *from = &run->steps[into->from];

    if (!is_heard(from, look)) {
        return WAITS;
    }
    bool good = into->rule.kind == SWARM_EDGE_SOFT ||
                (from->state == SWARM_STEP_OK && is_taken(from, &into->rule));

    if ((good || look.lazy) &&
        look.now_ns < (look.lazy ? from->heard_ns : from->end_ns) + delay_of(&into->rule)) {
        return WAITS; /* whether a rule that goes on without a result waits too is left open */
    }
    if (good) {
        return GOES;
    }
    return fallback_of(from, &into->rule) == SWARM_EDGE_CASCADE ? NEVER : GOES;
}

static inline uint32_t verdict_of(const struct sim_run *run, const struct sim_step *step,
                                  struct look look);

static const struct look some_day = {SWARM_NEVER / 2, false};

/* The log does not tell when a plain call step ran well, or was skipped: the trial knows. */
static inline void plain_steps(struct sim_run *run) {
    for (uint32_t i = 0; i < run->count; i++) {
        struct sim_step *step = &run->steps[i];

        if (step->kind != KIND_PLAIN || (is_over(step) && step->state != SWARM_STEP_CANCELLED)) {
            continue;
        }
        if (step->ran != 0) {
            step->state = step->ran == 1 ? SWARM_STEP_OK : SWARM_STEP_FAILED;
        } else if (step->cancel_posted || run->cancelled) {
            step->state = SWARM_STEP_CANCELLED; /* unless it runs all the same */
        } else if (verdict_of(run, step, some_day) == NEVER) {
            step->state = SWARM_STEP_SKIPPED;
        }
    }
}

struct join_count {
    uint32_t ok, failed, garbage, left;
};

static inline void count_edge(const struct sim_run *run, const struct into *into, struct look look,
                              struct join_count *count) {
    const struct sim_step *from = &run->steps[into->from];
    uint32_t rule;

    if (!is_heard(from, look)) {
        count->left++;
        return;
    }
    if (from->state == SWARM_STEP_OK && is_taken(from, &into->rule)) {
        uint64_t since_ns = look.lazy ? from->heard_ns : from->end_ns;
        bool arrived = look.now_ns >= since_ns + delay_of(&into->rule);

        count->ok += arrived;
        count->left += !arrived;
        return;
    }
    rule = fallback_of(from, &into->rule);
    if (look.lazy && look.now_ns < from->heard_ns + delay_of(&into->rule)) {
        count->left++;
        return;
    }
    count->ok += rule == SWARM_EDGE_AS_OK;
    if (rule == SWARM_EDGE_CASCADE &&
        (from->state == SWARM_STEP_FAILED || from->state == SWARM_STEP_TIMED_OUT ||
         from->state == SWARM_STEP_BUDGET)) {
        bool garbage = from->reason == SWARM_E_GARBAGE;

        count->garbage += garbage;
        count->failed += !garbage;
    }
}

static inline uint32_t limit32(uint32_t given, uint32_t otherwise) {
    return given == 0 ? otherwise : given == SWARM_ZERO32 ? 0 : given;
}

/* Whether a join goes on, and whether something speaks against it: of what happens in one round
 * both may be, and which came first decides. */
static inline void look_at_join(const struct sim_run *run, const struct sim_step *step,
                                struct look look, bool *out_goes, bool *out_never) {
    struct join_count count = {0};
    uint32_t need = limit32(step->join.need, step->into_count);

    for (uint32_t i = 0; i < step->into_count; i++) {
        count_edge(run, &step->into[i], look, &count);
    }
    *out_goes = count.ok >= need;
    *out_never = count.failed > limit32(step->join.failed_max, NONE) ||
                 count.garbage > limit32(step->join.garbage_max, NONE) ||
                 count.ok + count.left < need;
}

static inline bool join_may_fail(const struct sim_run *run, const struct sim_step *step) {
    bool goes, never;

    look_at_join(run, step, some_day, &goes, &never);
    return never;
}

static inline uint32_t verdict_of_join(const struct sim_run *run, const struct sim_step *step,
                                       struct look look) {
    bool goes, never;

    look_at_join(run, step, look, &goes, &never);
    return goes ? GOES : never ? NEVER : WAITS;
}

/* A join is decided once. */
static inline uint32_t verdict_of(const struct sim_run *run, const struct sim_step *step,
                                  struct look look) {
    uint32_t verdict = GOES;

    if (step->has_join) {
        return verdict_of_join(run, step, look);
    }
    for (uint32_t i = 0; i < step->into_count; i++) {
        uint32_t one = verdict_of_edge(run, &step->into[i], look);

        if (one == WAITS) {
            return WAITS; /* also if another one says never: it is skipped when all have ended */
        }
        verdict = one == NEVER ? NEVER : verdict;
    }
    return verdict;
}

/* What a call step of the trial says: of its place and its iteration alone, for it may run on any
 * thread, and twice. */
static inline uint64_t call_draw(uint64_t seed, uint64_t place, uint32_t iteration) {
    return swarm_random(seed, 0x63616C6C, place << 8 | iteration);
}

static inline void call_result(const struct sim_run *run, struct sim_step *step) {
    uint32_t iteration = step->has_loop ? step->iteration : 0;
    uint64_t draw = call_draw(run->spec.seed, (uint64_t)(step - run->steps), iteration);

    step->branch = (uint32_t)(draw % 2);
    step->confidence_ppm = (uint32_t)(draw >> 8) % 1000001;
}

/* ---- flights */

static inline struct flight *flight_find(struct world *w, uint32_t run, uint64_t step,
                                         const uint64_t name[2]) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        struct flight *flight = &w->flights[i];

        if (flight->run == run && flight->step == step && flight->number == name[0] &&
            flight->epoch == name[1]) {
            return flight;
        }
    }
    return NULL;
}

static inline uint32_t flights_of(const struct world *w, uint32_t run, uint32_t step) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < w->flights_count; i++) {
        count += w->flights[i].run == run && w->flights[i].step == step && !w->flights[i].given_up;
    }
    return count;
}

static inline uint32_t flights_of_run(const struct world *w, uint32_t run) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < w->flights_count; i++) {
        count += w->flights[i].run == run && !w->flights[i].given_up;
    }
    return count;
}

/* It holds nothing any more; what it was is kept for its SETTLE. */
static inline void flight_land(struct world *w, struct flight *flight) {
    const struct sim_step *step = &w->runs[flight->run].steps[flight->step];

    w->agent_inflight[flight->agent]--;
    for (uint32_t i = 0; i < PERMITS; i++) {
        w->permit_used[i] -= step->units[i];
    }
    w->landed = *flight;
    *flight = w->flights[--w->flights_count];
}

/* ---- what a step needs */

static inline bool agent_fits(const struct world *w, const struct sim_step *step, uint32_t agent) {
    return !w->agent_gone[agent] && (step->pin == 0 || step->pin == agent) &&
           (step->skill == 0 || step->skill == 1 + w->agent_profile[agent]);
}

static inline bool agent_free(const struct world *w, uint32_t agent) {
    uint32_t profile = w->agent_profile[agent];

    return w->agent_inflight[agent] < w->profile_inflight_max[profile] &&
           !w->backend_shut[w->profile_backend[profile]] &&
           w->backend_held_ns[w->profile_backend[profile]] <= w->now_ns;
}

static inline bool permits_free(const struct world *w, const struct sim_step *step) {
    for (uint32_t i = 0; i < PERMITS; i++) {
        if (step->units[i] != 0 && w->permit_used[i] + step->units[i] > w->permit_capacity[i]) {
            return false;
        }
    }
    return true;
}

static inline bool fits(uint64_t spent, uint64_t reserved, uint64_t more, uint64_t limit) {
    return limit == 0 ||
           (spent <= limit && reserved <= limit - spent && more <= limit - spent - reserved);
}

static inline bool level_fits(const struct world *w, const struct sim_step *step, uint32_t i) {
    const swarm_amounts *spent = &w->spent[i], *held = &w->reserved[i];
    const swarm_amounts *limit = &w->budget_limit[i], *more = &step->reserve;

    return fits(spent->steps, held->steps, more->steps, limit->steps) &&
           fits(spent->input_tokens, held->input_tokens, more->input_tokens, limit->input_tokens) &&
           fits(spent->output_tokens, held->output_tokens, more->output_tokens,
                limit->output_tokens) &&
           fits(spent->cost_nano, held->cost_nano, more->cost_nano, limit->cost_nano);
}

/* Budget 1 stands below budget 0. */
static inline bool budget_fits(const struct world *w, const struct sim_step *step) {
    bool good = true;

    for (uint32_t i = 0; i < step->charge; i++) {
        good = good && level_fits(w, step, i);
    }
    return good;
}

static inline bool run_has_room(const struct world *w, uint32_t run) {
    uint32_t most = w->runs[run].spec.inflight_max;

    return most == 0 || flights_of_run(w, run) < most;
}

static inline uint32_t skilled_agents(const struct world *w, const struct sim_step *step) {
    uint32_t count = 0;

    for (uint32_t i = 1; i <= w->agents; i++) {
        count += agent_fits(w, step, i);
    }
    return count;
}

/* ---- events of a step */

static inline void on_ready(struct world *w, struct sim_run *run, struct sim_step *step) {
    CHECK(w, !is_over(step), "READY after END");
    CHECK(w, step->held_until_ns <= w->event_ns, "READY before its backoff is over");
    if (step->state == SWARM_STEP_PENDING) {
        CHECK(w, verdict_of(run, step, (struct look){w->event_ns, false}) == GOES,
              "READY before its predecessors allow");
    }
    step->reached = true;
    step->state = SWARM_STEP_READY;
    step->ready_ns = w->event_ns;
}

static inline void check_number(struct world *w, struct sim_step *step, const uint64_t *field) {
    CHECK(w, field[0] != 0 && field[0] <= step->number + 1u, "attempt numbers have a gap");
    CHECK(w, step->starts == 0 || field[1] > step->epoch || field[0] == step->number + 1u,
          "an attempt's name was used twice");
    CHECK(w, field[1] >= step->epoch, "epochs fall");
}

static inline void check_resources(struct world *w, const struct sim_step *step, uint32_t agent) {
    CHECK(w, agent != 0 && agent <= w->agents, "START names no agent");
    CHECK(w, agent_fits(w, step, agent), "START with an agent that does not fit, or left");
    CHECK(w, agent_free(w, agent), "START with an agent that is full, or a backend that is held");
    CHECK(w, permits_free(w, step), "START without its permits");
}

static inline void on_start(struct world *w, struct sim_run *run, struct sim_step *step,
                            const uint64_t *field) {
    uint32_t index = (uint32_t)(step - run->steps), at = (uint32_t)(run - w->runs);
    bool rival = step->state == SWARM_STEP_RUNNING && (step->has_hedge || step->has_vote);
    struct flight *flight = &w->flights[w->flights_count];

    CHECK(w, step->kind == KIND_AGENT && step->ask.kind == 0, "START of no agent step");
    CHECK(w, step->state == SWARM_STEP_READY || rival, "START of a step that is not ready");
    CHECK(w, !step->cancel_applied, "START after a cancel");
    CHECK(w, !step->has_join || verdict_of(run, step, (struct look){w->event_ns, false}) == GOES,
          "START before its join");
    check_number(w, step, field);
    check_resources(w, step, (uint32_t)field[2]);
    CHECK(w, run_has_room(w, at), "START above the run's inflight_max");
    CHECK(w, !step->has_vote || flights_of(w, at, index) < step->vote.count, "too many ballots");
    CHECK(w, !step->has_hedge || flights_of(w, at, index) < 2, "more than one hedge");
    CHECK(w, w->flights_count < FLIGHTS_MAX, "more in flight than fits");
    *flight = (struct flight){.start_ns = w->event_ns,
                              .run = at,
                              .step = index,
                              .number = (uint32_t)field[0],
                              .epoch = (uint32_t)field[1],
                              .agent = (uint32_t)field[2],
                              .sequence = w->sequence++,
                              .due_ns = SWARM_NEVER};
    w->flights_count++;
    w->agent_inflight[flight->agent]++;
    for (uint32_t i = 0; i < PERMITS; i++) {
        w->permit_used[i] += step->units[i];
    }
    step->tried += !rival;
    step->state = SWARM_STEP_RUNNING;
    step->number = flight->number;
    step->epoch = flight->epoch;
    step->starts++;
    run->started++;
}

static inline bool does_not_count(swarm_outcome outcome) {
    return outcome == SWARM_OUTCOME_THROTTLED || outcome == SWARM_OUTCOME_REFUSED ||
           outcome == SWARM_OUTCOME_QUOTA;
}

static inline bool same_usage(const swarm_usage *usage, const uint64_t *field) {
    return usage->input_tokens == field[0] && usage->cached_tokens == field[1] &&
           usage->output_tokens == field[2] && usage->cost_nano == field[3];
}

static inline void on_done(struct world *w, struct sim_run *run, struct sim_step *step,
                           const uint64_t *field) {
    uint32_t at = (uint32_t)(run - w->runs), index = (uint32_t)(step - run->steps);
    struct flight *flight = flight_find(w, at, index, field);

    CHECK(w, flight != NULL, "DONE of an attempt that is not in flight");
    CHECK(w, !flight->given_up, "DONE of an attempt that was given up");
    CHECK(w, flight->answered, "DONE of an attempt that nobody answered");
    CHECK(w, flight->outcome == field[2], "DONE with another outcome than was answered");
    CHECK(w, same_usage(&flight->usage, field + 3), "DONE with another usage than was answered");
    step->outcome = flight->outcome;
    step->branch = flight->result.branch;
    step->confidence_ppm = flight->result.confidence_ppm;
    if (step->has_vote && flight->number <= VOTES) {
        step->ballot_branch[flight->number - 1] = flight->result.branch;
        step->ballot_confidence[flight->number - 1] = flight->result.confidence_ppm;
    }
    if (does_not_count(flight->outcome) && !step->has_vote && flights_of(w, at, index) == 1) {
        if (flight->number == step->number) {
            step->tried--; /* unless it was a rival, whose try goes on counting */
            step->number--;
        }
    }
    flight_land(w, flight);
}

static inline void on_give_up(struct world *w, struct sim_run *run, struct sim_step *step,
                              const uint64_t *field) {
    struct flight *flight =
        flight_find(w, (uint32_t)(run - w->runs), (uint32_t)(step - run->steps), field);
    swarm_status reason = -(swarm_status)field[2];

    CHECK(w, flight != NULL && !flight->given_up, "GIVE UP of what is not in flight");
    CHECK(w, flight->handed == (field[3] != 0), "GIVE UP disagrees on whether it was taken");
    if (reason == SWARM_E_TIMED_OUT && !step->has_watch) {
        CHECK(w,
              step->run_timeout_ns != 0 && w->event_ns >= flight->start_ns + step->run_timeout_ns,
              "timed out too early");
    }
    if (!is_over(step)) {
        step->outcome = reason == SWARM_E_TIMED_OUT ? SWARM_OUTCOME_TIMED_OUT : SWARM_OUTCOME_LOST;
    }
    flight->given_up = true;
    flight->given_up_ns = w->event_ns;
}

static inline void on_fenced(struct world *w, struct sim_run *run, struct sim_step *step,
                             const uint64_t *field) {
    struct flight *flight =
        flight_find(w, (uint32_t)(run - w->runs), (uint32_t)(step - run->steps), field);

    CHECK(w, flight != NULL && flight->given_up, "FENCED, but not given up");
    if (field[7] != 0) {
        CHECK(w, flight->answered && flight->outcome == field[2], "FENCED says answered");
    } else if (field[2] == SWARM_OUTCOME_LOST) {
        CHECK(w, !flight->answered, "FENCED lost an answer");
        CHECK(w, w->event_ns >= flight->given_up_ns + w->grace_ns, "FENCED before its grace");
    } else {
        CHECK(w, !flight->handed, "FENCED as never taken");
    }
    run->fenced += flight->handed; /* one that nobody saw is no fenced one */
    flight_land(w, flight);
}

static inline bool is_retried(swarm_outcome outcome) {
    return outcome == SWARM_OUTCOME_TRANSIENT || outcome == SWARM_OUTCOME_GARBAGE ||
           outcome == SWARM_OUTCOME_LOST || outcome == SWARM_OUTCOME_TIMED_OUT;
}

/* min(backoff * 2^(n-1), max) * (1 +- jitter), from the end of attempt n on. */
static inline void on_retry(struct world *w, struct sim_step *step, const uint64_t *field) {
    const swarm_retry *retry = &step->retry;
    uint64_t wait = retry->backoff_ns == 0            ? SECOND
                    : retry->backoff_ns == SWARM_ZERO ? 0
                                                      : retry->backoff_ns;
    uint64_t most = retry->backoff_max_ns == 0 ? 60 * SECOND : retry->backoff_max_ns;
    uint64_t spread;

    CHECK(w, is_retried((swarm_outcome)field[1]), "RETRY of what is not tried again");
    CHECK(w, step->tried < retry->attempts_max, "RETRY beyond attempts_max");
    for (uint32_t n = 1; n < step->tried && wait < most; n++) {
        wait *= 2;
    }
    wait = wait < most ? wait : most;
    spread = wait * retry->jitter_ppm / 1000000;
    CHECK(w, field[2] >= w->event_ns + wait - spread && field[2] <= w->event_ns + wait + spread + 1,
          "RETRY at another time than its backoff says");
    CHECK(w, !is_over(step), "RETRY after END");
    step->state = SWARM_STEP_HELD;
    step->held_until_ns = field[2];
}

/* Whoever waits for a caller reads what its continuation said. */
static inline void result_of_call(const struct sim_run *run, struct sim_step *step) {
    uint32_t index = (uint32_t)(step - run->steps);

    if (!step->continued) {
        call_result(run, step);
        return;
    }
    for (uint32_t i = index + 1; i < run->count; i++) {
        if (run->steps[i].owner == index + 1) {
            step->branch = run->steps[i].branch;
            step->confidence_ppm = run->steps[i].confidence_ppm;
        }
    }
}

/* ---- how a step may end */

static inline bool may_be_skipped(const struct world *w, const struct sim_run *run,
                                  const struct sim_step *step) {
    (void)w;
    return (step->has_ask && step->asked) || step->has_skip ||
           (!step->has_join && verdict_of(run, step, some_day) == NEVER);
}

static inline bool may_fail(const struct world *w, const struct sim_run *run,
                            const struct sim_step *step, swarm_status reason) {
    switch (reason) {
    case SWARM_E_NO_AGENT:
        return skilled_agents(w, step) == 0 || step->has_vote;
    case SWARM_E_DEPENDS:
        return step->has_join && join_may_fail(run, step);
    case SWARM_E_NO_QUORUM:
        return step->has_vote;
    case SWARM_E_CONFLICT:
        return step->has_state;
    case SWARM_E_FULL:
        return step->has_ask || step->outcome == SWARM_OUTCOME_PAUSE;
    default:
        break;
    }
    if (step->kind != KIND_AGENT) {
        return step->ran == 2 || step->kind == KIND_EXPAND;
    }
    return step->has_vote || step->has_watch || step->asked ||
           (step->outcome != SWARM_OUTCOME_OK &&
            (!is_retried(step->outcome) ||
             step->tried >= (step->retry.attempts_max == 0 ? 1 : step->retry.attempts_max)));
}

static inline bool may_end_ok(const struct sim_step *step) {
    if (step->kind == KIND_AGENT) {
        return step->asked || step->has_vote || step->outcome == SWARM_OUTCOME_OK;
    }
    return step->ran == 1 || step->owner != 0;
}

static inline bool may_end(const struct world *w, const struct sim_run *run,
                           const struct sim_step *step, swarm_status reason) {
    if (step->continued) {
        return true; /* as its continuation did */
    }
    switch (step->state) {
    case SWARM_STEP_OK:
        return may_end_ok(step);
    case SWARM_STEP_FAILED:
        return may_fail(w, run, step, reason);
    case SWARM_STEP_TIMED_OUT:
        return step->queue_timeout_ns != 0 || step->run_timeout_ns != 0 || step->has_watch ||
               step->asked || step->outcome == SWARM_OUTCOME_TIMED_OUT;
    case SWARM_STEP_CANCELLED:
        return step->cancel_posted || run->cancelled || w->losers ||
               step->outcome == SWARM_OUTCOME_CANCELLED;
    case SWARM_STEP_SKIPPED:
        return may_be_skipped(w, run, step);
    default:
        return step->charge != 0 && w->budget_policy[0] + w->budget_policy[1] > 2;
    }
}

static inline void on_end(struct world *w, struct sim_run *run, struct sim_step *step,
                          const uint64_t *field) {
    CHECK(w, !is_over(step) || step->kind == KIND_PLAIN, "END twice");
    CHECK(w, field[0] >= SWARM_STEP_OK && field[0] <= SWARM_STEP_BUDGET, "END in no end state");
    step->state = (uint32_t)field[0];
    step->reason = -(swarm_status)field[1];
    step->end_ns = w->event_ns;
    if (step->kind != KIND_AGENT && step->state == SWARM_STEP_OK) {
        result_of_call(run, step);
    }
    CHECK(w, may_end(w, run, step, step->reason), "END that nothing explains");
}

#endif
