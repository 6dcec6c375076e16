/* SPDX-License-Identifier: MIT */
/*
 * attempt.c - an attempt from start to settlement, and the requests about it.
 */
#include "breaker.h"
#include "charge.h"
#include "guard.h"
#include "gate.h"

static void hold_resources(swarm *sw, struct attempt *attempt) {
    struct dispatch *d = &sw->dispatch;

    swarm__agent_take(d, attempt->agent);
    swarm__gate_take(sw, (uint32_t)(attempt - d->attempts));
    if (d->demands[attempt->demand].charge != NONE32) {
        swarm__charge_reserve(sw, (uint32_t)(attempt - d->attempts));
    }
    if (d->breakers_on != 0) {
        swarm__breaker_begin(sw, (uint32_t)(attempt - d->attempts));
    }
    swarm__demand_ref(d, attempt->demand);
    swarm__step_read(sw, attempt->reads);
}

/* The other side of hold_resources: when the backend is done with the attempt. */
static void give_resources(swarm *sw, struct attempt *attempt) {
    struct dispatch *d = &sw->dispatch;
    uint64_t busy_ns = sw->now_ns - attempt->start_ns;

    d->runs[attempt->run].report.running_ns += busy_ns;
    swarm__demand_run_place(d, attempt->run);
    if (d->demands[attempt->demand].charge != NONE32) {
        swarm__charge_settle(sw, (uint32_t)(attempt - d->attempts));
    }
    if (d->breakers_on != 0) {
        swarm__breaker_end(sw, (uint32_t)(attempt - d->attempts));
    }
    swarm__gate_give(sw, (uint32_t)(attempt - d->attempts));
    swarm__agent_give(d, attempt->agent, busy_ns);
    swarm__demand_wake_agent(d, d->agents[attempt->agent].profile, attempt->agent);
    swarm__demand_unref(d, attempt->demand);
    swarm__demand_wake(d, WAIT_ATTEMPT);
    swarm__step_read_end(sw, attempt->reads);
}

static uint32_t attempt_fill(swarm *sw, uint32_t tracked, uint32_t agent) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint32_t index = attempt_new(d);
    struct attempt *attempt = &d->attempts[index];

    SWARM_ASSERT(index != NONE32); /* the caller has looked */
    attempt->tracked = tracked;
    attempt->reads = tracked;
    attempt->run = step->run;
    attempt->agent = agent;
    attempt->backend = d->profiles[d->agents[agent].profile].backend;
    attempt->demand = step->demand;
    attempt->effects = NONE32;
    attempt->may_put = step->access != NONE32;
    attempt->number = step->attempts;
    attempt->epoch = step->epoch;
    attempt->ordinal = step->ordinal;
    attempt->start_ns = sw->now_ns;
    attempt->run_key = d->runs[step->run].key;
    attempt->run_seed = d->runs[step->run].seed;
    attempt->step_key = step->key;
    pulse_begin(&d->pulses[index], attempt_generation(d, index), sw->now_ns);
    return index;
}

static void count_start(swarm *sw, const struct tracked *step, bool is_rival) {
    struct run *run = &sw->dispatch.runs[step->run];
    uint64_t wanted_ns = is_rival ? sw->dispatch.guards[step->guard].wanted_ns : 0;

    run->inflight++;
    run->begun += step->attempts == 1;
    run->report.attempts++;
    run->report.retries += !is_rival && step->attempts > 1;
    run->report.queued_ns += sw->now_ns - (is_rival ? wanted_ns : step->ready_ns);
    sw->started++;
}

void swarm__attempt_start(swarm *sw, uint32_t tracked, uint32_t agent, int64_t score) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    bool is_rival =
        step->state == SWARM_STEP_RUNNING || (swarm__votes(d, step) && step->attempts != 0);

    if (!swarm__rival_started(d, step)) {
        swarm__demand_remove(d, tracked);
    }
    timer_disarm(d, tracked);
    step->state = SWARM_STEP_RUNNING;
    step->start_ns = is_rival ? step->start_ns : sw->now_ns;
    step->agent = agent;
    step->attempts++;
    swarm__rival_link(d, tracked, attempt_fill(sw, tracked, agent));
    if (!is_rival) {
        swarm__access_begin(sw, tracked);
    }
    hold_resources(sw, &d->attempts[step->attempt]);
    if (d->runs[step->run].order == SWARM_ORDER_PREFIX) {
        prefix_use(&d->prefixes, step->order_key, agent,
                   d->profiles[d->agents[agent].profile].prefixes_max);
    }
    count_start(sw, step, is_rival);
    swarm__demand_served(d, step->run);

    uint64_t fields[4] = {step->attempts, step->epoch, (uint64_t)agent + 1,
                          (uint64_t)(score + (INT64_C(1) << 32))};

    swarm__log(sw, SWARM_EVENT_START, step->run, step->ordinal, fields);
    d->attempts[step->attempt].frame = sw->log.number;
    attempt_request(d, step->attempt, ATTEMPT_WANTS_START);
    if (step->guard != NONE32) {
        swarm__watch_begin(sw, tracked, step->attempt);
    } else if (step->run_timeout_ns != SWARM_NEVER) {
        timer_arm(d, tracked, saturating_add64(sw->now_ns, step->run_timeout_ns), step->ordinal);
    }
}

/* `by_backend` says that it came, and was not made up for one that did not. */
static void log_answer(swarm *sw, uint32_t kind, const struct attempt *attempt, bool by_backend) {
    const swarm_completion *answer = &attempt->answer;
    uint64_t fields[8] = {attempt->number,
                          attempt->epoch,
                          answer->outcome,
                          answer->usage.input_tokens,
                          answer->usage.cached_tokens,
                          answer->usage.output_tokens,
                          answer->usage.cost_nano,
                          answer->result.digest};

    if (kind == SWARM_EVENT_FENCED) {
        fields[7] = by_backend;
    }
    swarm__log(sw, kind, attempt->run, attempt->ordinal, fields);
}

/* What else an answer said: the next event, unless it said nothing else. */
static void log_result(swarm *sw, const struct attempt *attempt) {
    const swarm_completion *answer = &attempt->answer;
    const swarm_result *result = &answer->result;
    uint64_t fields[6] = {result->value,  result->size,           result->key,
                          result->branch, result->confidence_ppm, answer->until_ns};
    uint64_t any = 0;

    for (uint32_t i = 0; i < 6; i++) {
        any |= fields[i];
    }
    if (any != 0) {
        swarm__log(sw, SWARM_EVENT_RESULT, attempt->run, attempt->ordinal, fields);
    }
}

static void add_usage(swarm_usage *sum, const swarm_usage *usage) {
    sum->input_tokens = saturating_add64(sum->input_tokens, usage->input_tokens);
    sum->cached_tokens = saturating_add64(sum->cached_tokens, usage->cached_tokens);
    sum->output_tokens = saturating_add64(sum->output_tokens, usage->output_tokens);
    sum->cost_nano = saturating_add64(sum->cost_nano, usage->cost_nano);
}

/* The attempt holds nothing any more; what it lent and nobody took is given back first. */
static void settle(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    struct attempt *attempt = &d->attempts[index];

    SWARM_ASSERT(!attempt->settled);
    give_resources(sw, attempt);
    timer_disarm(d, timer_of_attempt(d, index));
    attempt->settled = true;
    cells_give(&d->state, &attempt->effects);
    attempt->wants &= ATTEMPT_WANTS_RELEASE; /* not a START or CANCEL that nobody has taken */
    if (attempt->answer.result.bytes != NULL && !attempt->kept) {
        attempt_request(d, index, ATTEMPT_WANTS_RELEASE);
    }
}

/* Frees a settled attempt, unless it is still in the queue: then it goes when it leaves that. */
static void attempt_done(swarm *sw, uint32_t index) {
    if (!sw->dispatch.attempts[index].queued && !sw->dispatch.attempts[index].kept) {
        attempt_free(&sw->dispatch, index);
    }
}

static bool is_turned_away(swarm_outcome outcome) {
    return outcome == SWARM_OUTCOME_REFUSED || outcome == SWARM_OUTCOME_THROTTLED ||
           outcome == SWARM_OUTCOME_QUOTA;
}

/* The backend turned an attempt away: nothing more goes there for a while, or without quota. */
static void hold_backend(swarm *sw, const struct attempt *attempt, uint64_t backoff_ns) {
    struct dispatch *d = &sw->dispatch;
    struct backend *backend = &d->backends[attempt->backend];
    uint64_t until_ns = swarm__gate_hold_until(sw, attempt, backoff_ns);
    uint64_t fields[2] = {(uint64_t)attempt->backend + 1, until_ns};

    if (attempt->answer.outcome == SWARM_OUTCOME_QUOTA) {
        swarm__breaker_quota(sw, attempt->backend);
        return;
    }
    if (until_ns <= backend->held_until) {
        return;
    }
    swarm__log(sw, SWARM_EVENT_HOLD, NONE32, SWARM_NEVER, fields);
    backend->held_until = until_ns;
    timer_arm(d, timer_of_backend(d, attempt->backend), until_ns, 0);
}

static uint32_t state_of_failure(swarm_outcome outcome) {
    switch (outcome) {
    case SWARM_OUTCOME_CANCELLED:
        return SWARM_STEP_CANCELLED;
    case SWARM_OUTCOME_TIMED_OUT:
        return SWARM_STEP_TIMED_OUT;
    default:
        return SWARM_STEP_FAILED;
    }
}

static swarm_status reason_of_failure(swarm_outcome outcome) {
    switch (outcome) {
    case SWARM_OUTCOME_CANCELLED:
        return SWARM_OK;
    case SWARM_OUTCOME_TIMED_OUT:
        return SWARM_E_TIMED_OUT;
    case SWARM_OUTCOME_GARBAGE:
        return SWARM_E_GARBAGE;
    default:
        return SWARM_E_FAILED;
    }
}

void swarm__attempt_failed(swarm *sw, uint32_t tracked, swarm_outcome outcome) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    uint32_t tries;
    uint64_t at_ns;

    SWARM_ASSERT(step->attempt == NONE32);
    step->outcome = outcome;
    if (!swarm__recovery_retries(sw, tracked, &tries)) {
        swarm__step_fails(sw, tracked, state_of_failure(outcome), reason_of_failure(outcome));
        return;
    }
    at_ns = saturating_add64(sw->now_ns, backoff_ns(step, d->runs[step->run].seed, tries));
    uint64_t fields[3] = {step->attempts, outcome, at_ns};

    swarm__log(sw, SWARM_EVENT_RETRY, step->run, step->ordinal, fields);
    step->state = SWARM_STEP_HELD;
    if (step->guard != NONE32) {
        d->guards[step->guard].wake_ns = at_ns;
        swarm__guard_arm(sw, tracked);
    } else {
        timer_arm(d, tracked, at_ns, step->ordinal);
    }
}

/* The step is through with the attempt, whatever becomes of it. Its timer goes on for others. */
static void leave_step(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    struct attempt *attempt = &d->attempts[index];
    uint32_t tracked = attempt->tracked;

    SWARM_ASSERT(tracked != NONE32);
    SWARM_ASSERT(d->runs[attempt->run].inflight != 0);
    swarm__rival_unlink(d, tracked, index);
    attempt->tracked = NONE32;
    if (d->tracked[tracked].attempt == NONE32) {
        timer_disarm(d, tracked);
        swarm__rivals_gone(sw, tracked);
    }
    d->runs[attempt->run].inflight--;
    swarm__demand_wake(d, wait_of_run(d, attempt->run));
}

/* The attempt is over; what it asks is asked, and the step waits without it. */
static void step_pauses(swarm *sw, uint32_t tracked, struct attempt *attempt) {
    if (swarm__ask_open(sw, tracked, SWARM_ASK_PAUSE, &attempt->answer.result, attempt->backend)) {
        attempt->answer.result.bytes = NULL; /* the question gives them back */
    } else {
        sw->dispatch.tracked[tracked].outcome = SWARM_OUTCOME_PAUSE;
        swarm__step_end(sw, tracked, SWARM_STEP_FAILED, SWARM_E_FULL);
    }
}

/* It never began, or the endpoint was full: the step waits again, or goes on with a rival. One that
 * never began keeps its place in the order. A 429 may have meant this one step, which must not go
 * before all others for ever. */
static void step_refused(swarm *sw, uint32_t tracked, struct attempt *attempt) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    swarm_run_report *report = &sw->dispatch.runs[step->run].report;

    hold_backend(sw, attempt, step->retry.backoff_ns);
    if (step->attempt != NONE32) {
        return;
    }
    if (attempt->number == step->attempts) {
        report->retries -= swarm__tries(&sw->dispatch, step) > 1;
        report->attempts--;
        step->attempts--;
    }
    step->epoch++;
    if (attempt->answer.outcome == SWARM_OUTCOME_REFUSED) {
        swarm__step_ready_again(sw, tracked);
    } else {
        swarm__step_ready(sw, tracked);
    }
}

/* Takes over the effects of an answer that went well; false when they are refused, and the step is
 * tried again or ends. */
static bool effects_taken(swarm *sw, uint32_t tracked, struct attempt *attempt) {
    swarm_status status = swarm__effects_check(sw, tracked, attempt->effects, attempt->agent);

    if (status == SWARM_OK) {
        swarm__effects_apply(sw, tracked, &attempt->effects, attempt->agent);
        return true;
    }
    if (status == SWARM_E_CONFLICT && swarm__effects_retried(sw, tracked)) {
        swarm__attempt_failed(sw, tracked, SWARM_OUTCOME_TRANSIENT);
    } else {
        swarm__step_end(sw, tracked, SWARM_STEP_FAILED, status);
    }
    return false;
}

void swarm__attempt_wins(swarm *sw, uint32_t tracked, struct attempt *attempt) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    swarm_status reason;

    if (step->order_key != 0 && order_is_timed(sw->dispatch.runs[step->run].order)) {
        duration_learn(&sw->dispatch.durations, step->order_key,
                       sw->dispatch.agents[attempt->agent].profile, sw->now_ns - attempt->start_ns);
    }
    if (step->guard != NONE32 && !attempt->kept) {
        swarm__hedge_learn(sw, attempt);
        swarm__rivals_drop(sw, tracked, SWARM_OK);
    }
    step->outcome = SWARM_OUTCOME_OK;
    if (!effects_taken(sw, tracked, attempt)) {
        return;
    }
    if (swarm__loop_again(sw, tracked, &attempt->answer.result, &reason)) {
        step->result = attempt->answer.result; /* but the bytes, which go back with the attempt */
        step->result.bytes = NULL;
        step->result.size = 0;
        step->attempts = 0;
        step->epoch++;
        swarm__rivals_afresh(sw, step);
        swarm__step_ready(sw, tracked);
        return;
    }
    step->result = attempt->answer.result;
    step->lent = step->result.bytes != NULL;
    step->backend = attempt->backend;
    step->agent = attempt->agent;
    attempt->answer.result.bytes = NULL; /* the step gives it back */
    swarm__step_end(sw, tracked, SWARM_STEP_OK, reason);
}

static void step_answered(swarm *sw, uint32_t tracked, struct attempt *attempt) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    swarm_outcome outcome = attempt->answer.outcome;

    SWARM_ASSERT(step->state == SWARM_STEP_RUNNING);
    SWARM_ASSERT(step->epoch >= attempt->epoch);
    leave_step(sw, (uint32_t)(attempt - sw->dispatch.attempts));
    if (outcome == SWARM_OUTCOME_OK && step->guard != NONE32) {
        outcome = swarm__watch_result(sw, tracked, attempt);
    }
    if (sw->dispatch.breakers_on != 0) {
        swarm__breaker_sample(sw, (uint32_t)(attempt - sw->dispatch.attempts), outcome);
    }
    if (swarm__votes(&sw->dispatch, step)) {
        if (is_turned_away(outcome)) {
            hold_backend(sw, attempt, step->retry.backoff_ns);
        }
        swarm__vote_answered(sw, tracked, attempt, outcome);
    } else if (outcome == SWARM_OUTCOME_OK) {
        swarm__attempt_wins(sw, tracked, attempt);
    } else if (is_turned_away(outcome)) {
        step_refused(sw, tracked, attempt);
    } else if (step->attempt != NONE32) {
        swarm__recovery_blame(&sw->dispatch, tracked, attempt->agent); /* a rival goes on */
    } else if (outcome == SWARM_OUTCOME_PAUSE) {
        step_pauses(sw, tracked, attempt);
    } else {
        swarm__recovery_blame(&sw->dispatch, tracked, attempt->agent);
        swarm__attempt_failed(sw, tracked, outcome);
    }
}

/* Whether the step has a vote that is not decided. */
static bool is_voting(const swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];

    return step->guard != NONE32 && swarm__votes(&sw->dispatch, step) &&
           !state_is_terminal(step->state);
}

/* Applies an answer: to its step, or, if that has given the attempt up, to the books alone. */
void swarm__attempt_answered(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    struct attempt *attempt = &d->attempts[index];
    struct run *run = &d->runs[attempt->run];
    uint32_t tracked = attempt->tracked;
    bool goes_on;

    SWARM_ASSERT(attempt_state(d, index) == ATTEMPT_ANSWERED);
    add_usage(&run->report.usage, &attempt->answer.usage);
    if (attempt->tracked == NONE32) {
        run->late--;
        run->report.fenced++;
        log_answer(sw, SWARM_EVENT_FENCED, attempt, true);
    } else {
        log_answer(sw, SWARM_EVENT_DONE, attempt, true);
        log_result(sw, attempt);
        swarm__effects_log(sw, attempt);
        step_answered(sw, attempt->tracked, attempt);
    }
    /* Asked before the attempt lets go of the step, whose record may then be another's at once. */
    goes_on = tracked != NONE32 && is_voting(sw, tracked);
    settle(sw, index);
    attempt_done(sw, index);
    if (goes_on) {
        swarm__vote_decide(sw, tracked);
    }
}

/* Whether a backend has it. In a replay the log says so: nobody takes requests there. After a
 * resume the backend of the process before may have it. */
static bool was_taken_of(swarm *sw, uint32_t index) {
    struct attempt *attempt = &sw->dispatch.attempts[index];
    uint64_t word = ATOMIC_LOAD(&attempt->word, relaxed);

    if ((uint32_t)word != ATTEMPT_QUEUED) {
        return true;
    }
    if (sw->log.replaying ? !swarm__replay_was_taken(sw)
                          : attempt->frame > sw->resume.good_frames) {
        return false;
    }
    swarm__replay_unqueue(&sw->dispatch, index);
    ATOMIC_STORE(&attempt->word, attempt_word((uint32_t)(word >> 32), ATTEMPT_OPEN), relaxed);
    return true;
}

/* One whose START nobody has taken is settled at once. */
void swarm__attempt_fence(swarm *sw, uint32_t index, swarm_status reason) {
    struct dispatch *d = &sw->dispatch;
    struct attempt *attempt = &d->attempts[index];
    bool was_taken = was_taken_of(sw, index);
    uint64_t fields[4] = {attempt->number, attempt->epoch, (uint64_t)(-(int64_t)reason), was_taken};

    SWARM_ASSERT(attempt->tracked == NONE32);
    swarm__log(sw, SWARM_EVENT_GIVE_UP, attempt->run, attempt->ordinal, fields);
    if (!was_taken) {
        const swarm_completion nothing = {.outcome = SWARM_OUTCOME_REFUSED};

        attempt->answer = nothing;
        log_answer(sw, SWARM_EVENT_FENCED, attempt, false); /* the agent is free again */
        settle(sw, index);
        attempt_done(sw, index); /* if it is still in the queue, when it leaves that */
        return;
    }
    d->runs[attempt->run].late++;
    attempt_request(d, index, ATTEMPT_WANTS_CANCEL);
    timer_arm(d, timer_of_attempt(d, index),
              saturating_add64(sw->now_ns, sw->config.cancel_grace_ns), attempt->ordinal);
}

static void give_up_one(swarm *sw, uint32_t index, swarm_status reason) {
    uint32_t tracked = sw->dispatch.attempts[index].tracked;
    bool is_at_fault = reason != SWARM_E_DEADLOCK; /* nobody is: it only was the youngest */

    sw->dispatch.tracked[tracked].epoch++;
    if (is_at_fault) {
        swarm__recovery_blame(&sw->dispatch, tracked, sw->dispatch.attempts[index].agent);
    }
    if (sw->dispatch.breakers_on != 0 && reason != SWARM_OK && is_at_fault) {
        swarm__breaker_sample(sw, index, SWARM_OUTCOME_TIMED_OUT);
    }
    leave_step(sw, index);
    swarm__attempt_fence(sw, index, reason);
}

/* The step goes on without its attempts. */
void swarm__attempt_give_up(swarm *sw, uint32_t tracked, swarm_status reason) {
    uint32_t index = sw->dispatch.tracked[tracked].attempt;

    if (sw->dispatch.attempts[index].sibling == NONE32) {
        give_up_one(sw, index, reason);
        return;
    }
    sw->dispatch.tracked[tracked].epoch++;
    timer_disarm(&sw->dispatch, tracked);
    swarm__rivals_drop(sw, tracked, reason);
}

void swarm__attempt_lost(swarm *sw, uint32_t index, swarm_status reason, swarm_outcome outcome) {
    uint32_t tracked = sw->dispatch.attempts[index].tracked;

    give_up_one(sw, index, reason);
    if (sw->dispatch.tracked[tracked].attempt == NONE32) {
        swarm__attempt_failed(sw, tracked, outcome);
    }
}

/* Nobody answered the cancel in time: the attempt is over, and a later answer is stale. */
void swarm__attempt_grace_over(swarm *sw, uint32_t index) {
    struct dispatch *d = &sw->dispatch;
    struct attempt *attempt = &d->attempts[index];
    uint64_t word = ATOMIC_LOAD(&attempt->word, relaxed);
    swarm_completion nothing = {.outcome = SWARM_OUTCOME_LOST};
    uint32_t wants;

    if ((uint32_t)word == ATTEMPT_CLAIMED || !swarm__replay_next(sw, SWARM_EVENT_FENCED)) {
        timer_arm(d, timer_of_attempt(d, index), saturating_add64(sw->now_ns, 1),
                  attempt->ordinal); /* the answer may yet be refused: look again */
        return;
    }
    /* Acquire-release: against the CAS of swarm_complete, which decides who answers. */
    if ((uint32_t)word != ATTEMPT_OPEN ||
        !ATOMIC_CAS(&attempt->word, &word, attempt_word((uint32_t)(word >> 32), ATTEMPT_ANSWERED),
                    acq_rel, relaxed)) {
        return; /* it is being answered right now: the answer is on its way here */
    }
    attempt->answer = nothing;
    d->runs[attempt->run].late--;
    d->runs[attempt->run].report.fenced++;
    log_answer(sw, SWARM_EVENT_FENCED, attempt, false);
    wants = attempt->wants & ATTEMPT_WANTS_CANCEL; /* not taken yet: the backend must still hear */
    settle(sw, index);
    attempt->wants |= wants;
    /* Relaxed: of any answer from now on the CAS of swarm_complete fails, and it is stale. */
    ATOMIC_STORE(&attempt->word, attempt_word((uint32_t)(word >> 32), ATTEMPT_FREE), relaxed);
    attempt_done(sw, index);
}

/* Copies the effects of a claimed attempt's answer; those of one that failed are dropped. */
static swarm_status answer_effects(swarm *sw, struct attempt *attempt,
                                   const swarm_completion *completion) {
    if (completion->effects_count == 0 || completion->outcome != SWARM_OUTCOME_OK) {
        return SWARM_OK;
    }
    if (!swarm__effects_valid(completion->effects, completion->effects_count, attempt->may_put,
                              true)) {
        return SWARM_E_INVALID;
    }
    return cells_take(&sw->dispatch.state, completion->effects, completion->effects_count,
                      &attempt->effects)
               ? SWARM_OK
               : SWARM_E_FULL;
}

swarm_status swarm_complete(swarm *sw, const swarm_completion *completion) {
    struct attempt *attempt;
    uint64_t word, open, handle;
    uint32_t index;
    swarm_status status;

    if (sw == NULL || completion == NULL || completion->outcome > SWARM_OUTCOME_PAUSE ||
        completion->reserved != 0 || completion->reserved2 != 0 ||
        completion->result.confidence_ppm > MILLION ||
        (completion->result.bytes == NULL && completion->result.size != 0) ||
        !swarm__effects_valid(completion->effects, completion->effects_count, true, true)) {
        return SWARM_E_INVALID;
    }
    handle = completion->attempt.id;
    index = (uint32_t)handle - 1;
    if (index >= sw->config.inflight_max) {
        return SWARM_E_STALE;
    }
    attempt = &sw->dispatch.attempts[index];
    open = attempt_word((uint32_t)(handle >> 32), ATTEMPT_OPEN);
    word = open;
    /* Acquire: the record as it was when its START was taken; pairs with the release store of
     * request_start. Of several answers one wins here (mutant NOGEN: without the generation a late
     * answer would end the slot's new owner). */
    if (!ATOMIC_CAS(&attempt->word, &word, open + (ATTEMPT_CLAIMED - ATTEMPT_OPEN), acquire,
                    relaxed)) {
        bool same = word >> 32 == handle >> 32;
        bool answered = (uint32_t)word == ATTEMPT_CLAIMED || (uint32_t)word == ATTEMPT_ANSWERED;

        return same && answered ? SWARM_E_DUPLICATE : SWARM_E_STALE;
    }
    status = answer_effects(sw, attempt, completion);
    if (status != SWARM_OK) {
        ATOMIC_STORE(&attempt->word, open, release); /* as it was: may be answered again */
        return status;
    }
    SHARED_WRITE(attempt->answer, *completion);
    /* Release: for a look at the state alone; the mailbox publishes the answer. */
    ATOMIC_STORE(&attempt->word, open + (ATTEMPT_ANSWERED - ATTEMPT_OPEN), release);
    mailbox_push(&sw->attempts_box, index);
    swarm__signal(sw);
    return SWARM_OK;
}

static void request_common(const swarm *sw, uint32_t index, swarm_request *out) {
    const struct dispatch *d = &sw->dispatch;
    const struct attempt *attempt = &d->attempts[index];
    static const swarm_request empty;

    *out = empty;
    out->attempt = attempt_handle(d, index);
    out->now_ns = attempt->start_ns;
    out->run = run_handle(d, attempt->run);
    out->agent.id = (uint64_t)attempt->agent + 1;
    out->backend.id = (uint64_t)attempt->backend + 1;
    out->run_key = attempt->run_key;
    out->run_seed = attempt->run_seed;
    out->step_key = attempt->step_key;
    out->ordinal = attempt->ordinal;
    out->number = attempt->number;
    out->epoch = attempt->epoch;
}

static void request_start(swarm *sw, uint32_t index, swarm_request *out) {
    struct attempt *attempt = &sw->dispatch.attempts[index];
    const struct tracked *step = &sw->dispatch.tracked[attempt->tracked];
    uint64_t word = ATOMIC_LOAD(&attempt->word, relaxed);

    request_common(sw, index, out);
    out->kind = SWARM_REQUEST_START;
    out->step = swarm__graph_handle(&sw->graph, step->slot);
    out->payload = step->payload;
    out->payload_size = step->payload_size;
    out->argument = step->argument;
    out->timeout_ns = step->run_timeout_ns;
    out->outcome = step->outcome;
    out->tools = step->capability == NONE32 ? SWARM_NEVER
                                            : sw->dispatch.capabilities[step->capability].tools;
    out->iteration = swarm__loop_iteration(&sw->dispatch, attempt->tracked);
    out->inputs = step->inputs_count + (out->iteration > 1);
    /* Release: the record before whoever answers; pairs with the CAS of swarm_complete. */
    ATOMIC_STORE(&attempt->word, word + (ATTEMPT_OPEN - ATTEMPT_QUEUED), release);
}

static void requests_pop(struct dispatch *d) {
    uint32_t index = d->requests_first;

    SWARM_ASSERT(index != NONE32);
    SWARM_ASSERT(d->attempts[index].queued);
    d->attempts[index].queued = false;
    d->requests_first = d->attempts[index].request_next;
    if (d->requests_first == NONE32) {
        d->requests_last = NONE32;
    }
}

/* The next thing that the head of the queue wants; false when it has to wait. */
static bool request_of_head(swarm *sw, swarm_request *out, bool *out_filled) {
    struct dispatch *d = &sw->dispatch;
    uint32_t index = d->requests_first;
    struct attempt *attempt = &d->attempts[index];

    *out_filled = attempt->wants != 0;
    if ((attempt->wants & ATTEMPT_WANTS_START) != 0) {
        if (!log_is_safe(&sw->log, attempt->frame) ||
            ATOMIC_LOAD(&sw->commands_open, acquire) != 0 || sw->round.sweep != NONE32) {
            return false; /* not safe yet, or a cancel is to be applied first, or half applied */
        }
        request_start(sw, index, out);
        attempt->wants &= ~(uint32_t)ATTEMPT_WANTS_START;
    } else if ((attempt->wants & ATTEMPT_WANTS_CANCEL) != 0) {
        request_common(sw, index, out);
        out->kind = SWARM_REQUEST_CANCEL;
        attempt->wants &= ~(uint32_t)ATTEMPT_WANTS_CANCEL;
    } else if ((attempt->wants & ATTEMPT_WANTS_RELEASE) != 0) {
        request_common(sw, index, out);
        out->kind = SWARM_REQUEST_RELEASE;
        out->result = attempt->answer.result;
        attempt->wants = 0;
    }
    if (attempt->wants == 0) {
        requests_pop(d);
        if (attempt->settled && !attempt->kept) {
            attempt_free(d, index);
            swarm__demand_wake(d, WAIT_ATTEMPT); /* its place is free only now */
        }
    }
    return true;
}

static void request_release(swarm *sw, swarm_request *out) {
    struct dispatch *d = &sw->dispatch;
    uint32_t tracked = d->releases_first;
    struct tracked *step = &d->tracked[tracked];
    static const swarm_request empty;

    d->releases_first = step->list_next;
    if (d->releases_first == NONE32) {
        d->releases_last = NONE32;
    }
    *out = empty;
    out->kind = SWARM_REQUEST_RELEASE;
    out->now_ns = sw->now_ns;
    out->result = step->result;
    out->backend.id = step->backend == NONE32 ? 0 : (uint64_t)step->backend + 1;
    out->step_key = step->key;
    out->ordinal = step->ordinal;
    step->lent = false;
    if (step->unwanted) {
        pool_push(&d->tracked_pool, tracked);
    } else {
        d->runs[step->run].releases--; /* the run is about to start again */
    }
}

static uint32_t take_asks(swarm *sw, swarm_request *requests, uint32_t max) {
    uint32_t count = 0;
    bool filled;

    while (count < max && sw->asks_first != NONE32 &&
           swarm__ask_take(sw, &requests[count], &filled)) {
        count += filled;
    }
    return count;
}

uint32_t swarm__take(swarm *sw, swarm_request *requests, uint32_t max, bool with_asks) {
    uint32_t count = 0;

    SWARM_ASSERT(requests != NULL);
    while (count < max && sw->dispatch.requests_first != NONE32) {
        bool filled;

        if (!request_of_head(sw, &requests[count], &filled)) {
            break;
        }
        count += filled;
    }
    while (count < max && sw->dispatch.releases_first != NONE32) {
        request_release(sw, &requests[count++]);
    }
    return with_asks ? count + take_asks(sw, requests + count, max - count) : count;
}

uint32_t swarm_take(swarm *sw, swarm_request *requests, uint32_t max) {
    return swarm__owned(sw) && requests != NULL ? swarm__take(sw, requests, max, true) : 0;
}
