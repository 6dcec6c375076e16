/* SPDX-License-Identifier: MIT */
/*
 * replay.c - events of a log become operations again.
 *
 * Each event tells an INPUT of the transition, which is given to it here, or a DECISION, which the
 * transition makes again by going on with its round. Either way the operation writes the event
 * itself, and log.c compares it with the one at hand. Which of the two a kind is stands in
 * replay_arrival and, of what the owner did, in replayowner.c: a new kind that is a decision needs
 * nothing, one that is an input needs a case there which makes the input happen.
 *
 * Threads: the turn. Call steps are run on worker 0.
 */
#include "../dispatch/ask.h"
#include "../dispatch/pulse.h"
#include "guard.h"

/* ---- reading */

static const unsigned char *varint(const unsigned char *at, const unsigned char *end,
                                   uint64_t *out_value) {
    uint64_t value = 0;

    for (uint32_t shift = 0; at < end && shift < 64; shift += 7) {
        value |= (uint64_t)(*at & 0x7fu) << shift;
        if ((*at++ & 0x80u) == 0) {
            *out_value = value;
            return at;
        }
    }
    return NULL;
}

bool swarm__replay_peek(const swarm *sw, size_t at, swarm_event *out_event, size_t *out_size) {
    const unsigned char *from, *next, *end;
    uint64_t length, kind, step;
    static const swarm_event none;

    *out_event = none;
    if (at >= (size_t)(sw->log.expect_end - sw->log.expect)) {
        return false; /* nothing is expected: there is no place to point to */
    }
    from = sw->log.expect + at;
    next = varint(from, sw->log.expect_end, &length);
    if (next == NULL || length > (uint64_t)(sw->log.expect_end - next)) {
        return false;
    }
    end = next + length;
    next = varint(next, end, &kind);
    next = next == NULL ? NULL : varint(next, end, &out_event->run);
    next = next == NULL ? NULL : varint(next, end, &step);
    if (next == NULL || kind > UINT32_MAX) {
        return false;
    }
    out_event->kind = (uint32_t)kind;
    out_event->step = step - 1;
    out_event->now_ns = sw->log.now_ns;
    while (next != NULL && next < end && out_event->fields < LOG_FIELDS_MAX) {
        next = varint(next, end, &out_event->field[out_event->fields++]);
    }
    *out_size = (size_t)(end - from);
    return next == end;
}

static bool peek(const swarm *sw, swarm_event *out_event) {
    size_t size;

    return swarm__replay_peek(sw, 0, out_event, &size);
}

uint32_t swarm__replay_run(const swarm *sw, uint64_t number) {
    const struct dispatch *d = &sw->dispatch;

    for (uint32_t i = 0; i < sw->config.runs_max; i++) {
        if (ATOMIC_LOAD(&d->runs[i].generation, relaxed) % 2 == 1 && d->runs[i].number == number) {
            return i;
        }
    }
    return NONE32;
}

void swarm__replay_accept(swarm *sw, const swarm_event *event) {
    const struct log_head head = {event->run, event->step, event->kind, event->fields};
    uint32_t run = swarm__replay_run(sw, event->run);

    swarm__log_event(&sw->log, run == NONE32 ? NULL : &sw->streams[run], &head, event->field);
}

bool swarm__replay_was_taken(swarm *sw) {
    swarm_event event;

    return peek(sw, &event) && event.kind == SWARM_EVENT_GIVE_UP && event.field[3] == 1;
}

bool swarm__replay_next(const swarm *sw, uint32_t kind) {
    swarm_event event;

    return !sw->log.replaying || (peek(sw, &event) && event.kind == kind);
}

uint64_t swarm__replay_payload(swarm *sw) {
    swarm_event event;

    return sw->log.replaying && peek(sw, &event) && event.kind == SWARM_EVENT_OPTIONS
               ? event.field[7]
               : SWARM_NEVER;
}

/* ---- finding */

/* Among the run's tracked steps. They lie in memory as they were added, mostly. */
static uint32_t tracked_numbered(swarm *sw, uint32_t run, uint64_t ordinal) {
    const struct dispatch *d = &sw->dispatch;
    uint32_t near = sw->resume.near, at = d->runs[run].first;

    if (near != NONE32 && d->tracked[near].ordinal != SWARM_NEVER) {
        uint64_t guess = near + (ordinal - d->tracked[near].ordinal);

        if (guess < d->config->tracked_max && d->tracked[guess].run == run &&
            d->tracked[guess].ordinal == ordinal) {
            at = (uint32_t)guess;
        }
    }
    while (at != NONE32 && d->tracked[at].ordinal < ordinal) {
        at = d->tracked[at].run_next;
    }
    return at != NONE32 && d->tracked[at].ordinal == ordinal ? at : NONE32;
}

static uint32_t plain_numbered(const swarm *sw, uint32_t run, uint64_t ordinal) {
    const struct graph *graph = &sw->graph;
    uint64_t bounds = ATOMIC_LOAD(&graph->steps.bounds, relaxed);

    for (uint32_t slot = space_high(bounds); slot < sw->config.steps_max; slot++) {
        if (ATOMIC_LOAD(&graph->refs[slot], relaxed) != 0 &&
            graph->scopes[graph->scope[slot]].run == run &&
            swarm__graph_ordinal(graph, slot) == ordinal) {
            return slot;
        }
    }
    return NONE32;
}

uint32_t swarm__replay_slot(swarm *sw, uint32_t run, uint64_t ordinal) {
    const struct span *span = &sw->graph.steps.spans[run];
    uint32_t tracked;

    if ((sw->dispatch.runs[run].flags & SWARM_RUN_GROWING) == 0) {
        return ordinal < span->count ? span->first + (uint32_t)ordinal : NONE32;
    }
    tracked = tracked_numbered(sw, run, ordinal);
    if (tracked == NONE32) {
        return plain_numbered(sw, run, ordinal);
    }
    sw->resume.near = tracked;
    return sw->dispatch.tracked[tracked].slot;
}

/* ---- the round */

/* Also without a round: time goes on with what the owner does too. */
void swarm__replay_round_finish(swarm *sw, const swarm_event *event) {
    while (sw->round.phase == ROUND_APPLY && !sw->log.differs && swarm__round_operation(sw)) {
    }
    if (sw->round.phase == ROUND_APPLY) {
        sw->round.phase = ROUND_IDLE;
        sw->round.number++;
    }
    sw->now_ns = event->now_ns > sw->now_ns ? event->now_ns : sw->now_ns;
}

static void again_round(swarm *sw, const swarm_event *event) {
    swarm__replay_round_finish(sw, event);
    sw->round.phase = ROUND_APPLY;
    sw->round.changed = sw->round.acted = sw->round.marked = true;
    sw->dispatch.waits.due = true;
    swarm__replay_accept(sw, event);
}

/* What was ready when the arrival came is dealt with first. */
static void before_arrival(swarm *sw) {
    while ((sw->round.rivals != NONE32 || sw->round.woken_first != NONE32) && !sw->log.differs) {
        (void)swarm__round_operation(sw);
    }
}

void swarm__replay_unqueue(struct dispatch *d, uint32_t attempt) {
    uint32_t *link = &d->requests_first, before = NONE32;

    if (!d->attempts[attempt].queued) {
        return;
    }
    while (*link != attempt) {
        before = *link;
        link = &d->attempts[*link].request_next;
    }
    *link = d->attempts[attempt].request_next;
    if (d->requests_last == attempt) {
        d->requests_last = before;
    }
    d->attempts[attempt].queued = false;
    d->attempts[attempt].wants = 0;
    if (d->attempts[attempt].settled) {
        attempt_free(d, attempt);
    }
}

uint32_t swarm__replay_attempt(const swarm *sw, const swarm_event *event, uint32_t run) {
    const struct dispatch *d = &sw->dispatch;

    for (uint32_t i = 0; i < sw->config.inflight_max; i++) {
        const struct attempt *attempt = &d->attempts[i];

        if (slots_taken(&d->attempts_free, i) && !attempt->settled && attempt->run == run &&
            attempt->ordinal == event->step && attempt->number == event->field[0] &&
            attempt->epoch == event->field[1] &&
            (attempt->tracked == NONE32) == (event->kind == SWARM_EVENT_FENCED)) {
            return i;
        }
    }
    return NONE32;
}

static void result_fill(const swarm_event *event, swarm_result *result) {
    result->value = event->field[0];
    result->size = event->field[1];
    result->key = event->field[2];
    result->branch = (uint32_t)event->field[3];
    result->confidence_ppm = (uint32_t)event->field[4];
}

/* The next events say the rest, if there was any. False: there is no room for its effects. */
static bool answer_fill(swarm *sw, const swarm_event *event, swarm_completion *answer,
                        uint32_t *out_effects) {
    swarm_effect effects[EFFECTS_MAX];
    swarm_event rest;
    size_t at = 0, size;
    uint32_t count = 0;

    answer->outcome = (swarm_outcome)event->field[2];
    answer->usage.input_tokens = event->field[3];
    answer->usage.cached_tokens = event->field[4];
    answer->usage.output_tokens = event->field[5];
    answer->usage.cost_nano = event->field[6];
    if (event->kind == SWARM_EVENT_FENCED) {
        return true;
    }
    answer->result.digest = event->field[7];
    (void)swarm__replay_peek(sw, 0, &rest, &at);
    if (swarm__replay_peek(sw, at, &rest, &size) && rest.kind == SWARM_EVENT_RESULT) {
        result_fill(&rest, &answer->result);
        answer->until_ns = rest.field[5];
        at += size;
    }
    for (; count < EFFECTS_MAX && swarm__replay_peek(sw, at, &rest, &size) &&
           rest.kind == SWARM_EVENT_EFFECT;
         at += size, count++) {
        const swarm_effect effect = {.kind = (uint32_t)rest.field[0],
                                     .key = rest.field[1],
                                     .value = rest.field[2],
                                     .bytes = rest.field[3],
                                     .tokens = rest.field[4]};

        effects[count] = effect;
    }
    return cells_take(&sw->dispatch.state, effects, count, out_effects);
}

/* A log that is none of ours may say anything. */
static bool effects_fit(const swarm *sw, const struct attempt *attempt) {
    const struct state_cell *cells = sw->dispatch.state.cells;

    for (uint32_t at = attempt->effects; at != NONE32; at = cells[at].next) {
        if (!swarm__effects_valid(&cells[at].effect, 1, attempt->may_put, true)) {
            return false;
        }
    }
    return true;
}

static void again_answer(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    uint32_t run = swarm__replay_run(sw, event->run), index;
    struct attempt *attempt;
    uint64_t word;
    swarm_completion answer = {.until_ns = 0};

    before_arrival(sw);
    index = run == NONE32 ? NONE32 : swarm__replay_attempt(sw, event, run);
    if (index == NONE32 || event->field[2] > SWARM_OUTCOME_PAUSE) {
        sw->log.differs = true;
        return;
    }
    attempt = &d->attempts[index];
    if (!answer_fill(sw, event, &answer, &attempt->effects) || !effects_fit(sw, attempt)) {
        sw->log.differs = true;
        return;
    }
    attempt->answer = answer;
    word = ATOMIC_LOAD(&attempt->word, relaxed);
    ATOMIC_STORE(&attempt->word, attempt_word((uint32_t)(word >> 32), ATTEMPT_ANSWERED), relaxed);
    swarm__replay_unqueue(d, index);
    swarm__attempt_answered(sw, index);
}

/* What was reported in all, instead of what came since. */
static void again_progress(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    uint32_t run = swarm__replay_run(sw, event->run), index;
    struct pulse *pulse;
    uint64_t tag;

    before_arrival(sw);
    index = run == NONE32 ? NONE32 : swarm__replay_attempt(sw, event, run);
    if (index == NONE32 || (event->field[2] | event->field[3]) > PULSE_VALUE_MAX ||
        (event->field[4] | event->field[5]) > PULSE_REPEATS_MAX || event->field[6] > UINT32_MAX) {
        sw->log.differs = true;
        return;
    }
    pulse = &d->pulses[index];
    tag = pulse_tag(attempt_generation(d, index));
    ATOMIC_STORE(&pulse->bytes, tag | event->field[2], relaxed);
    ATOMIC_STORE(&pulse->tokens, tag | event->field[3], relaxed);
    ATOMIC_STORE(&pulse->repeats,
                 tag | event->field[4] << 40 | event->field[5] << 32 | event->field[6], relaxed);
    (void)pulse_add(&pulse->beats, tag, 1);
    swarm__pulse_applied(sw, index);
}

static void again_ask_answer(swarm *sw, const swarm_event *event) {
    swarm_event rest;
    size_t at, size;
    uint32_t index = 0;
    struct ask *ask;

    before_arrival(sw);
    while (index < sw->config.asks_max && ask_sequence(&sw->asks[index]) != event->field[0]) {
        index++;
    }
    if (index == sw->config.asks_max || event->field[0] == 0 ||
        event->field[2] > SWARM_OUTCOME_TIMED_OUT || event->field[2] == SWARM_OUTCOME_THROTTLED ||
        event->field[6] > MILLION) {
        sw->log.differs = true;
        return;
    }
    ask = &sw->asks[index];
    ask->outcome = (uint32_t)event->field[2];
    ask->answer.value = event->field[3];
    ask->answer.digest = event->field[4];
    ask->answer.branch = (uint32_t)event->field[5];
    ask->answer.confidence_ppm = (uint32_t)event->field[6];
    if (swarm__replay_peek(sw, 0, &rest, &at) && swarm__replay_peek(sw, at, &rest, &size) &&
        rest.kind == SWARM_EVENT_RESULT) {
        result_fill(&rest, &ask->answer);
    }
    ATOMIC_STORE(&ask->word, ask_word(event->field[0], ASK_ANSWERED), relaxed);
    swarm__ask_answered(sw, index);
}

/* Attempts that were settled without an answer leave the queue, as if taken. */
void swarm__replay_sweep(swarm *sw) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = d->requests_first, next; at != NONE32; at = next) {
        next = d->attempts[at].request_next;
        if (d->attempts[at].settled) {
            swarm__replay_unqueue(d, at);
        }
    }
}

/* ---- call steps */

static bool is_called(const swarm *sw, uint32_t slot, const swarm_event *event, uint32_t run) {
    const struct graph *graph = &sw->graph;
    const struct scope *scope = &graph->scopes[graph->scope[slot]];

    if (scope->run != run || swarm__graph_ordinal(graph, slot) != event->step) {
        return false;
    }
    return event->step != SWARM_NEVER ||
           (graph->lineage[slot] == event->field[0] && scope->ordinal + 1 == event->field[1]);
}

/* Takes the step out of those that came back; NONE32 when it is not there. */
static uint32_t post_take(swarm *sw, const swarm_event *event, uint32_t run) {
    uint32_t before = NONE32;

    sw->resume.posts = swarm__round_slots(sw, sw->resume.posts);
    for (uint32_t at = sw->resume.posts, next; at != NONE32; before = at, at = next) {
        next = swarm__item_next(sw, at);
        if (!is_called(sw, at & ~ITEM_POISONED, event, run)) {
            continue;
        }
        if (before == NONE32) {
            sw->resume.posts = next;
        } else {
            swarm__item_link(sw, before, next);
        }
        return at;
    }
    return NONE32;
}

static void again_call(swarm *sw, const swarm_event *event) {
    uint32_t run = swarm__replay_run(sw, event->run), item = NONE32;
    bool works = true;

    before_arrival(sw);
    swarm__release_held(sw);
    while (run != NONE32 && item == NONE32 && works) {
        item = post_take(sw, event, run);
        works = item != NONE32 || swarm__graph_work(&sw->graph, 0, 1) != 0;
    }
    if (item == NONE32) {
        sw->log.differs = true;
        return;
    }
    swarm__item_link(sw, item, NONE32);
    sw->round.arrivals = item;
    (void)swarm__round_operation(sw);
}

/* A run's end is seen when its last call step has been run, wherever that was. */
static void again_run_end(swarm *sw, const swarm_event *event) {
    uint32_t run = swarm__replay_run(sw, event->run);
    const unsigned char *at = sw->log.expect;

    while (sw->round.woken_first != NONE32 && !sw->log.differs) {
        swarm__woken_one(sw);
    }
    if (run == NONE32) {
        sw->log.differs = true;
        return;
    }
    if (sw->log.expect == at) {
        swarm__release_held(sw);
        while (swarm__graph_work(&sw->graph, 0, 1024) != 0) {
        }
        sw->resume.posts = swarm__round_slots(sw, sw->resume.posts);
        swarm__scopes_take(sw);
        sw->dispatch.runs[run].quiet = false;
        swarm__run_check_end(sw, run);
    }
    sw->log.differs = sw->log.differs || sw->log.expect == at;
}

/* Whether the event behind the next one is the end of the run. */
static bool run_ends_next(const swarm *sw) {
    swarm_event event;
    size_t at, size;

    return swarm__replay_peek(sw, 0, &event, &at) && swarm__replay_peek(sw, at, &event, &size) &&
           event.kind == SWARM_EVENT_RUN_END;
}

/* Workers had given the run too many steps: that is seen at its end, or when their calls are quiet.
 * Those that were with them are run before those that were still held back. */
static void again_over(swarm *sw, const swarm_event *event) {
    uint32_t run = swarm__replay_run(sw, event->run);

    if (run_ends_next(sw)) {
        again_run_end(sw, event);
        return;
    }
    while (swarm__graph_work(&sw->graph, 0, 1024) != 0) {
    }
    if (run != NONE32 && swarm__run_steps(sw, run) != event->field[1]) {
        swarm__release_held(sw);
        while (swarm__graph_work(&sw->graph, 0, 1024) != 0) {
        }
    }
    sw->resume.posts = swarm__round_slots(sw, sw->resume.posts);
    if (run == NONE32 || !swarm__run_over(sw, run)) {
        sw->log.differs = true;
        return;
    }
    swarm__run_stop(sw, run);
}

uint32_t swarm__replay_posts(swarm *sw, uint32_t list) {
    uint32_t posts = sw->resume.posts;

    while (sw->resume.state == RESUME_DONE && posts != NONE32) {
        uint32_t next = swarm__item_next(sw, posts);

        swarm__item_link(sw, posts, list);
        list = posts;
        posts = next;
    }
    if (sw->resume.state == RESUME_DONE) {
        sw->resume.posts = NONE32;
    }
    return list;
}

/* ---- cancels */

static void again_cancel(swarm *sw, const swarm_event *event) {
    uint32_t run = swarm__replay_run(sw, event->run), slot = NONE32;
    swarm_agent agent = {event->field[1]};
    swarm_status status = SWARM_E_STALE;

    while (swarm__round_before_commands(sw) && !sw->log.differs) {
        (void)swarm__round_operation(sw);
    }
    if (run != NONE32 && event->field[0] <= CANCEL_SUBTREE) {
        slot = swarm__replay_slot(sw, run, event->field[1]);
    }
    if (event->field[0] == CANCEL_AGENT) {
        status = swarm_agent_cancel(sw, agent);
    } else if (event->field[0] == CANCEL_RUN && run != NONE32) {
        status = swarm_run_cancel(sw, run_handle(&sw->dispatch, run));
    } else if (slot != NONE32 && event->field[0] == CANCEL_SUBTREE) {
        status = swarm_subtree_cancel(sw, swarm__graph_handle(&sw->graph, slot));
    } else if (slot != NONE32) {
        status = swarm_step_cancel(sw, swarm__graph_handle(&sw->graph, slot));
    }
    if (status != SWARM_OK) {
        swarm__replay_accept(sw, event); /* a plain step without an ordinal: nothing to stop */
        return;
    }
    swarm__round_commands(sw);
    (void)swarm__round_operation(sw);
}

/* ---- the one place */

/* Goes on with the round until it writes something. */
static void decide(swarm *sw) {
    const unsigned char *at = sw->log.expect;

    while (sw->round.phase == ROUND_APPLY && sw->log.expect == at && !sw->log.differs &&
           swarm__round_operation(sw)) {
    }
}

/* What arrived. False: it is a decision after all. */
static bool replay_arrival(swarm *sw, const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_CALL:
        again_call(sw, event);
        return true;
    case SWARM_EVENT_DONE:
        again_answer(sw, event);
        return true;
    case SWARM_EVENT_FENCED:
        if (event->field[7] == 1) {
            again_answer(sw, event);
        }
        return event->field[7] == 1;
    case SWARM_EVENT_PROGRESS:
        again_progress(sw, event);
        return true;
    case SWARM_EVENT_ANSWER:
        again_ask_answer(sw, event);
        return true;
    case SWARM_EVENT_CANCEL:
        again_cancel(sw, event);
        return true;
    case SWARM_EVENT_OVER:
        again_over(sw, event);
        return true;
    case SWARM_EVENT_RUN_END:
        again_run_end(sw, event);
        return true;
    default:
        return false;
    }
}

static void replay_one(swarm *sw, const swarm_event *event) {
    if (event->kind == SWARM_EVENT_ROUND) {
        again_round(sw, event);
    } else if (event->kind == SWARM_EVENT_SETUP || event->kind == SWARM_EVENT_GOVERNOR) {
        swarm__replay_setup(sw, event);
    } else if (event->kind == SWARM_EVENT_PLAN) {
        swarm__replay_round_finish(sw, event);
        swarm__replay_plan(sw, swarm__replay_run(sw, event->run));
    } else if (!swarm__replay_owner(sw, event) && !replay_arrival(sw, event)) {
        decide(sw);
    }
}

void swarm__replay_events(swarm *sw) {
    swarm_event event;
    size_t size;

    while (sw->resume.state == RESUME_FEEDING && sw->log.expect != sw->log.expect_end) {
        const unsigned char *at = sw->log.expect;

        if (!swarm__replay_peek(sw, 0, &event, &size)) {
            swarm__resume_fail(sw, SWARM_E_CORRUPT, "resume: an event is damaged");
            return;
        }
        replay_one(sw, &event);
        if (sw->log.differs || sw->log.expect == at) {
            swarm__resume_fail(sw, SWARM_E_MISMATCH,
                               "resume: set up otherwise, or another program, wrote this log");
        }
        swarm__replay_sweep(sw);
    }
}
