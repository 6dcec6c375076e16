/* SPDX-License-Identifier: MIT */
/*
 * ask.c - steps that wait for an answer from outside (M11, M43): a person, a judge, a coordinator.
 *
 * A step asks in two ways: one of its attempts answers PAUSE, or the step is itself a question. It
 * is then HELD: it has no agent, no permit and no thread, and its time does not run. The answer is
 * the step's result, so the step goes on without being executed again. The bytes of the question
 * stay lent until it is answered.
 */
#include "../dispatch/ask.h"
#include "breaker.h"
#include "guard.h"

#include <string.h>

static void ask_request(swarm *sw, uint32_t index, uint32_t wants) {
    struct ask *ask = &sw->asks[index];

    SWARM_ASSERT(wants != 0);
    ask->wants |= wants;
    if (ask->queued) {
        return;
    }
    ask->queued = true;
    ask->request_next = NONE32;
    if (sw->asks_last == NONE32) {
        sw->asks_first = index;
    } else {
        sw->asks[sw->asks_last].request_next = index;
    }
    sw->asks_last = index;
}

static void log_ask(swarm *sw, const struct ask *ask) {
    uint64_t fields[5] = {ask_sequence(ask), ask->kind, ask->times, ask->due_ns, ask->remind_ns};

    swarm__log(sw, SWARM_EVENT_ASK, ask->run, ask->ordinal, fields);
}

static const swarm_ask_spec *spec_of(const swarm *sw, uint32_t tracked) {
    uint32_t guard = tracked == NONE32 ? NONE32 : sw->dispatch.tracked[tracked].guard;

    return guard == NONE32 ? NULL : &sw->dispatch.guards[guard].ask;
}

/* The times of a question, from its step's options. */
static void ask_times(const swarm *sw, struct ask *ask) {
    const swarm_ask_spec *spec = spec_of(sw, ask->tracked);

    ask->asked_ns = sw->now_ns;
    ask->due_ns = spec == NULL ? SWARM_NEVER : open_after(spec, sw->now_ns, spec->timeout_ns);
    ask->remind_ns = spec == NULL ? SWARM_NEVER : open_after(spec, sw->now_ns, spec->reminder_ns);
}

bool swarm__ask_open(swarm *sw, uint32_t tracked, uint32_t kind, const swarm_result *question,
                     uint32_t backend) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    uint32_t index = ask_place(sw->asks, sw->config.asks_max);
    struct ask *ask = &sw->asks[index];
    uint64_t sequence;

    SWARM_ASSERT(step->attempt == NONE32);
    if (index == NONE32 || !swarm__replay_next(sw, SWARM_EVENT_ASK)) {
        return false; /* in a replay nothing waits to be taken, so there may be more room */
    }
    sequence = ++sw->asks_ever;
    ask->question = *question;
    ask->ordinal = step->ordinal;
    ask->tracked = tracked;
    ask->run = step->run;
    ask->run_number = sw->dispatch.runs[step->run].number;
    ask->backend = backend;
    ask->kind = kind;
    ask->times = 1;
    ask_times(sw, ask);
    /* Release: the record before whoever answers it; pairs with the CAS of swarm_answer. */
    ATOMIC_STORE(&ask->word, ask_word(sequence, ASK_OPEN), release);
    step->state = SWARM_STEP_HELD;
    sw->dispatch.runs[step->run].asks++;
    sw->asks_open++;
    log_ask(sw, ask);
    ask->frame = sw->log.number;
    ask_request(sw, index, ASK_WANTS_ASK);
    if (step->guard != NONE32) {
        swarm__guard_arm(sw, tracked);
    }
    return true;
}

void swarm__ask_step(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    const swarm_result nothing = {.bytes = NULL};

    step->ready_ns = sw->now_ns;
    step->start_ns = sw->now_ns;
    if (!swarm__ask_open(sw, tracked, sw->dispatch.guards[step->guard].ask.kind, &nothing,
                         NONE32)) {
        step->state = SWARM_STEP_HELD; /* it has begun: whoever waits for it is told */
        swarm__step_end(sw, tracked, SWARM_STEP_FAILED, SWARM_E_FULL);
    }
}

bool swarm__ask_run_waits(swarm *sw, uint32_t index) {
    const struct run *run = &sw->dispatch.runs[index];
    uint32_t held = 0, shut = 0;

    if (run->asks + sw->dispatch.quotas == 0 || run->inflight != 0) {
        return false;
    }
    for (uint32_t at = run->first; at != NONE32; at = sw->dispatch.tracked[at].run_next) {
        uint32_t state = sw->dispatch.tracked[at].state;
        bool lacks_quota = state == SWARM_STEP_READY && sw->dispatch.quotas != 0 &&
                           swarm__breaker_holds(sw, at) == SWARM_HELD_QUOTA;

        if ((state == SWARM_STEP_READY && !lacks_quota) || state == SWARM_STEP_RUNNING) {
            return false;
        }
        shut += lacks_quota;
        held += state == SWARM_STEP_HELD;
    }
    return held == run->asks && held + shut != 0; /* a step has one question at a time */
}

uint32_t swarm__ask_of(const swarm *sw, uint32_t tracked) {
    uint32_t found = NONE32;

    for (uint32_t i = 0; i < sw->config.asks_max && found == NONE32; i++) {
        uint32_t state = ask_state(&sw->asks[i]);

        if (sw->asks[i].tracked == tracked && state >= ASK_OPEN && state <= ASK_ANSWERED) {
            found = i;
        }
    }
    return found;
}

/* The step no longer waits for it. */
static void ask_let_go(swarm *sw, struct ask *ask) {
    SWARM_ASSERT(ask->tracked != NONE32);
    SWARM_ASSERT(sw->asks_open != 0);
    sw->dispatch.runs[ask->run].asks--;
    sw->asks_open--;
    ask->tracked = NONE32;
    ask->wants &= ~(uint32_t)ASK_WANTS_ASK;
}

static void release_question(swarm *sw, uint32_t index) {
    if (sw->asks[index].question.bytes != NULL) {
        ask_request(sw, index, ASK_WANTS_RELEASE);
    }
}

void swarm__ask_close(swarm *sw, uint32_t tracked) {
    uint32_t index = swarm__ask_of(sw, tracked);
    struct ask *ask = &sw->asks[index];
    uint64_t word;

    if (index == NONE32) {
        return;
    }
    word = ask_word(ask_sequence(ask), ASK_OPEN);
    ask_let_go(sw, ask);
    /* Relaxed: against the CAS of swarm_answer alone; what it wrote, if it won, comes by mail. */
    (void)ATOMIC_CAS(&ask->word, &word, word - ASK_OPEN + ASK_CLOSED, relaxed, relaxed);
    release_question(sw, index);
}

/* ---- answers */

swarm_status swarm_answer(swarm *sw, swarm_token token, swarm_outcome outcome,
                          const swarm_result *result) {
    static const swarm_result nothing;
    uint64_t sequence, word = 0;
    uint32_t index;

    if (sw == NULL || outcome > SWARM_OUTCOME_TIMED_OUT || outcome == SWARM_OUTCOME_THROTTLED ||
        (result != NULL &&
         (result->confidence_ppm > MILLION || (result->bytes == NULL && result->size != 0)))) {
        return SWARM_E_INVALID;
    }
    sequence = token_sequence(&token, sw->config.seed);
    for (index = 0; sequence != 0 && index < sw->config.asks_max; index++) {
        word = ATOMIC_LOAD(&sw->asks[index].word, relaxed);
        if (word >> 3 == sequence) {
            break;
        }
    }
    if (sequence == 0 || index == sw->config.asks_max) {
        return SWARM_E_STALE;
    }
    word = ask_word(sequence, ASK_OPEN);
    /* Acquire: pairs with the release of swarm__ask_open. Of several answers one wins here. */
    if (!ATOMIC_CAS(&sw->asks[index].word, &word, ask_word(sequence, ASK_CLAIMED), acquire,
                    relaxed)) {
        return word >> 3 == sequence && (word & ASK_STATE) != ASK_CLOSED ? SWARM_E_DUPLICATE
                                                                         : SWARM_E_STALE;
    }
    SHARED_WRITE(sw->asks[index].answer, result == NULL ? nothing : *result);
    SHARED_WRITE(sw->asks[index].outcome, outcome);
    /* Release: for a look at the state alone; the mailbox publishes the answer. */
    ATOMIC_STORE(&sw->asks[index].word, ask_word(sequence, ASK_ANSWERED), release);
    mailbox_push(&sw->asks_box, index);
    swarm__signal(sw);
    return SWARM_OK;
}

static void log_ask_answer(swarm *sw, const struct ask *ask) {
    uint64_t fields[8] = {ask_sequence(ask),
                          ask->kind,
                          ask->outcome,
                          ask->answer.value,
                          ask->answer.digest,
                          ask->answer.branch,
                          ask->answer.confidence_ppm,
                          ask->tracked == NONE32};

    uint64_t more[6] = {ask->answer.value,  ask->answer.size,           ask->answer.key,
                        ask->answer.branch, ask->answer.confidence_ppm, 0};
    uint32_t run = sw->dispatch.runs[ask->run].number == ask->run_number ? ask->run : NONE32;

    swarm__log(sw, SWARM_EVENT_ANSWER, run, ask->ordinal, fields);
    if (ask->answer.size != 0 || ask->answer.key != 0) {
        swarm__log(sw, SWARM_EVENT_RESULT, run, ask->ordinal, more);
    }
}

/* The answer is what the step produced. */
static void ask_take_answer(swarm *sw, struct ask *ask) {
    struct tracked *step = &sw->dispatch.tracked[ask->tracked];

    step->outcome = SWARM_OUTCOME_OK;
    step->result = ask->answer;
    step->lent = ask->answer.bytes != NULL;
    step->backend = NONE32;
    step->answered = true;
    ask->answer.bytes = NULL; /* the step gives it back */
}

static void ask_step_goes_on(swarm *sw, uint32_t tracked, swarm_outcome outcome) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    const swarm_ask_spec *spec = spec_of(sw, tracked);

    if (outcome == SWARM_OUTCOME_OK) {
        swarm__step_end(sw, tracked, SWARM_STEP_OK, SWARM_OK);
    } else if (step->demand == NONE32) {
        uint32_t state = SWARM_STEP_FAILED;

        step->outcome = outcome;
        if (!swarm__recover_call(sw, tracked, &state)) {
            swarm__step_end(sw, tracked, state, state == SWARM_STEP_OK ? SWARM_OK : SWARM_E_FAILED);
        }
    } else {
        /* A question has no attempts but its answers: they count, or it would be asked for ever. */
        step->attempts += spec != NULL && spec->kind != SWARM_ASK_NONE;
        swarm__attempt_failed(sw, tracked, outcome);
    }
}

void swarm__ask_answered(swarm *sw, uint32_t index) {
    struct ask *ask = &sw->asks[index];
    uint32_t tracked = ask->tracked;
    swarm_outcome outcome = ask->outcome;

    SWARM_ASSERT(ask_state(ask) == ASK_ANSWERED);
    log_ask_answer(sw, ask);
    /* Relaxed: of any answer from now on the CAS fails, and it is a duplicate. */
    ATOMIC_STORE(&ask->word, ask_word(ask_sequence(ask), ASK_DONE), relaxed);
    sw->dispatch.runs[ask->run].report.answers += tracked != NONE32;
    if (tracked != NONE32 && outcome == SWARM_OUTCOME_OK) {
        ask_take_answer(sw, ask);
    }
    if (ask->answer.bytes != NULL) {
        ask_request(sw, index, ASK_WANTS_ANSWER_RELEASE);
    }
    if (tracked == NONE32) {
        return; /* the step was cancelled in the meantime: recorded, and given back */
    }
    ask_let_go(sw, ask);
    release_question(sw, index);
    ask_step_goes_on(sw, tracked, outcome);
}

/* ---- time */

uint64_t swarm__ask_due(const swarm *sw, uint32_t tracked) {
    uint32_t index = swarm__ask_of(sw, tracked);
    const struct ask *ask = &sw->asks[index];

    if (index == NONE32) {
        return SWARM_NEVER;
    }
    return ask->due_ns < ask->remind_ns ? ask->due_ns : ask->remind_ns;
}

/* Nobody answered in time. */
static void ask_time_out(swarm *sw, uint32_t tracked, struct ask *ask) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    const swarm_ask_spec *spec = spec_of(sw, tracked);
    bool skips = spec->on_timeout == SWARM_ASK_SKIP, ends = spec->on_timeout == SWARM_ASK_VALUE;
    uint64_t fields[5] = {SWARM_DETECT_ANSWER, spec->timeout_ns, sw->now_ns - ask->asked_ns,
                          skips  ? SWARM_ACTION_SKIP
                          : ends ? SWARM_ACTION_FALLBACK
                                 : SWARM_ACTION_END,
                          0};

    swarm__log(sw, SWARM_EVENT_DETECT, step->run, step->ordinal, fields);
    swarm__ask_close(sw, tracked);
    if (ends) {
        step->result.value = spec->value;
        swarm__step_end(sw, tracked, SWARM_STEP_OK, SWARM_OK);
    } else {
        swarm__step_end(sw, tracked, skips ? SWARM_STEP_SKIPPED : SWARM_STEP_TIMED_OUT,
                        SWARM_E_TIMED_OUT);
    }
}

bool swarm__ask_timer(swarm *sw, uint32_t tracked) {
    uint32_t index = swarm__ask_of(sw, tracked);
    struct ask *ask = &sw->asks[index];
    const swarm_ask_spec *spec = spec_of(sw, tracked);

    if (index == NONE32) {
        return false;
    }
    if (ask_state(ask) != ASK_OPEN ||
        !(swarm__replay_next(sw, SWARM_EVENT_ASK) || swarm__replay_next(sw, SWARM_EVENT_DETECT))) {
        return true; /* it is being answered right now: the answer wins */
    }
    if (sw->now_ns >= ask->due_ns) {
        ask_time_out(sw, tracked, ask);
        return true;
    }
    ask->times++;
    ask->remind_ns = open_after(spec, sw->now_ns, spec->reminder_ns);
    log_ask(sw, ask);
    ask->frame = sw->log.number;
    ask_request(sw, index, ASK_WANTS_ASK);
    swarm__guard_arm(sw, tracked);
    return true;
}

bool swarm__ask_is_all(const swarm *sw) {
    const struct dispatch *d = &sw->dispatch;

    SWARM_ASSERT(sw->asks_open != 0);
    for (uint32_t at = d->timers; at != NONE32; at = heap_walk(d->timer_nodes, d->timers, at)) {
        if (at >= sw->config.tracked_max || swarm__ask_of(sw, at) == NONE32) {
            return false;
        }
    }
    return true;
}

/* ---- requests */

static void fill_common(const swarm *sw, const struct ask *ask, swarm_request *out) {
    static const swarm_request empty;

    *out = empty;
    out->now_ns = sw->now_ns;
    out->ordinal = ask->ordinal;
    out->backend.id = ask->backend == NONE32 ? 0 : (uint64_t)ask->backend + 1;
}

static void fill_ask(const swarm *sw, const struct ask *ask, swarm_request *out) {
    const struct run *run = &sw->dispatch.runs[ask->run];
    const struct tracked *step = &sw->dispatch.tracked[ask->tracked];
    bool has_bytes = ask->question.bytes != NULL;

    fill_common(sw, ask, out);
    out->kind = SWARM_REQUEST_ASK;
    out->token = token_make(sw->config.seed, run->number, ask->ordinal, ask_sequence(ask));
    out->ask = ask->kind;
    out->asked = ask->times;
    out->payload = has_bytes ? ask->question.bytes : step->payload;
    out->payload_size = has_bytes ? (size_t)ask->question.size : step->payload_size;
    out->result = ask->question;
    out->run = run_handle(&sw->dispatch, ask->run);
    out->step = swarm__graph_handle(&sw->graph, step->slot);
    out->run_key = run->key;
    out->run_seed = run->seed;
    out->step_key = step->key;
    out->argument = step->argument;
    out->inputs = step->inputs_count;
    out->timeout_ns = ask->due_ns == SWARM_NEVER ? SWARM_NEVER : ask->due_ns - sw->now_ns;
}

static void fill_release(const swarm *sw, const struct ask *ask, const swarm_result *result,
                         swarm_request *out) {
    fill_common(sw, ask, out);
    out->kind = SWARM_REQUEST_RELEASE;
    out->result = *result;
}

static void asks_pop(swarm *sw) {
    uint32_t index = sw->asks_first;

    SWARM_ASSERT(sw->asks[index].queued);
    sw->asks[index].queued = false;
    sw->asks_first = sw->asks[index].request_next;
    if (sw->asks_first == NONE32) {
        sw->asks_last = NONE32;
    }
}

bool swarm__ask_take(swarm *sw, swarm_request *out, bool *out_filled) {
    struct ask *ask = &sw->asks[sw->asks_first];

    SWARM_ASSERT(sw->asks_first != NONE32);
    *out_filled = ask->wants != 0;
    if ((ask->wants & ASK_WANTS_ASK) != 0) {
        if (!log_is_safe(&sw->log, ask->frame)) {
            return false;
        }
        fill_ask(sw, ask, out);
        ask->wants &= ~(uint32_t)ASK_WANTS_ASK;
    } else if ((ask->wants & ASK_WANTS_RELEASE) != 0) {
        fill_release(sw, ask, &ask->question, out);
        ask->wants &= ~(uint32_t)ASK_WANTS_RELEASE;
    } else if ((ask->wants & ASK_WANTS_ANSWER_RELEASE) != 0) {
        fill_release(sw, ask, &ask->answer, out);
        out->backend.id = 0; /* whoever answered */
        ask->wants = 0;
    }
    if (ask->wants == 0) {
        asks_pop(sw);
    }
    return true;
}
