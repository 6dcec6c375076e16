/* SPDX-License-Identifier: MIT */
/*
 * replay.c - events of a log become operations again.
 *
 * Each event tells an INPUT of the transition, which is given to it here, or a DECISION, which the
 * transition makes again by going on with its round. Either way the operation writes the event
 * itself, and log.c compares it with the one at hand. Which of the two a kind is stands in
 * replay_owner and replay_arrival: a new kind that is a decision needs nothing, one that is an
 * input needs a case there which makes the input happen.
 *
 * Threads: the turn. Call steps are run on worker 0.
 */
#include "core.h"

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
    const unsigned char *from = sw->log.expect + at, *next, *end;
    uint64_t length, kind, step;
    static const swarm_event none;

    *out_event = none;
    if (at >= (size_t)(sw->log.expect_end - sw->log.expect)) {
        return false;
    }
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

static uint32_t run_numbered(const swarm *sw, uint64_t number) {
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
    uint32_t run = event->run == 0 ? NONE32 : run_numbered(sw, event->run);

    swarm__log_event(&sw->log, run == NONE32 ? NULL : &sw->streams[run], &head, event->field);
}

bool swarm__replay_was_taken(swarm *sw) {
    swarm_event event;

    return peek(sw, &event) && event.kind == SWARM_EVENT_GIVE_UP && event.field[3] == 1;
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

/* Goes on with the round under way to its end; in it nothing more is in the log. */
static void round_finish(swarm *sw) {
    while (sw->round.phase == ROUND_APPLY && !sw->log.differs && swarm__round_operation(sw)) {
    }
    if (sw->round.phase == ROUND_APPLY) {
        sw->round.phase = ROUND_IDLE;
        sw->round.number++;
    }
}

static void again_round(swarm *sw, const swarm_event *event) {
    round_finish(sw);
    sw->now_ns = event->now_ns > sw->now_ns ? event->now_ns : sw->now_ns;
    sw->round.phase = ROUND_APPLY;
    sw->round.changed = sw->round.acted = sw->round.marked = true;
    sw->dispatch.waits.due = true;
    swarm__replay_accept(sw, event);
}

/* What was ready when the arrival came is dealt with first. */
static void before_arrival(swarm *sw) {
    while (sw->round.woken_first != NONE32 && !sw->log.differs) {
        swarm__woken_one(sw);
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

static uint32_t attempt_numbered(swarm *sw, const swarm_event *event, uint32_t run) {
    struct dispatch *d = &sw->dispatch;

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

/* The next event says the rest, if there was any. */
static void answer_fill(swarm *sw, const swarm_event *event, swarm_completion *answer) {
    swarm_event rest;
    size_t size, behind;

    answer->outcome = (swarm_outcome)event->field[2];
    answer->usage.input_tokens = event->field[3];
    answer->usage.cached_tokens = event->field[4];
    answer->usage.output_tokens = event->field[5];
    answer->usage.cost_nano = event->field[6];
    if (event->kind == SWARM_EVENT_FENCED) {
        return;
    }
    answer->result.digest = event->field[7];
    if (swarm__replay_peek(sw, 0, &rest, &size) && swarm__replay_peek(sw, size, &rest, &behind) &&
        rest.kind == SWARM_EVENT_RESULT) {
        answer->result.value = rest.field[0];
        answer->result.size = rest.field[1];
        answer->result.key = rest.field[2];
        answer->result.branch = (uint32_t)rest.field[3];
        answer->result.confidence_ppm = (uint32_t)rest.field[4];
        answer->until_ns = rest.field[5];
    }
}

static void again_answer(swarm *sw, const swarm_event *event) {
    struct dispatch *d = &sw->dispatch;
    uint32_t run = run_numbered(sw, event->run), index;
    struct attempt *attempt;
    uint64_t word;
    swarm_completion answer = {.until_ns = 0};

    before_arrival(sw);
    index = run == NONE32 ? NONE32 : attempt_numbered(sw, event, run);
    if (index == NONE32 || event->field[2] > SWARM_OUTCOME_REFUSED) {
        sw->log.differs = true;
        return;
    }
    answer_fill(sw, event, &answer);
    attempt = &d->attempts[index];
    attempt->answer = answer;
    word = ATOMIC_LOAD(&attempt->word, relaxed);
    ATOMIC_STORE(&attempt->word, attempt_word((uint32_t)(word >> 32), ATTEMPT_ANSWERED), relaxed);
    swarm__replay_unqueue(d, index);
    swarm__attempt_answered(sw, index);
}

/* Attempts that were settled without an answer leave the queue, as if taken. */
static void requests_sweep(swarm *sw) {
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
    uint32_t run = run_numbered(sw, event->run), item = NONE32;
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

/* Whether all that a returning call step brings is at hand. */
static bool call_is_whole(const swarm *sw) {
    swarm_event event;
    size_t size, behind;

    if (!swarm__replay_peek(sw, 0, &event, &size)) {
        return true;
    }
    return !swarm__replay_peek(sw, size, &event, &behind) || event.kind != SWARM_EVENT_PLAN ||
           swarm__replay_plan_whole(sw, size);
}

/* A run's end is seen when its last call step has been run, wherever that was. */
static void again_run_end(swarm *sw, const swarm_event *event) {
    uint32_t run = run_numbered(sw, event->run);
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

/* ---- commands */

static uint64_t or_zero(uint64_t value) {
    return value == 0 ? SWARM_ZERO : value;
}

static void again_open(swarm *sw, const swarm_event *event) {
    swarm_spawn_spec spawn = {0};
    swarm_run_spec spec = {.key = event->field[0],
                           .seed = event->field[1],
                           .order = (uint32_t)event->field[2],
                           .flags = (uint32_t)event->field[3],
                           .steps_max = or_zero(event->field[4]),
                           .attempts_max = or_zero(event->field[5]),
                           .depth_max = (uint32_t)event->field[6],
                           .inflight_max = (uint32_t)event->field[7]};

    swarm_event next;
    size_t size, behind;

    (void)swarm__replay_peek(sw, 0, &next, &size);
    if (swarm__replay_peek(sw, size, &next, &behind) && next.kind == SWARM_EVENT_DEADLINE) {
        spec.deadline_ns = next.field[0];
        size += behind;
    }
    if (swarm__replay_peek(sw, size, &next, &behind) && next.kind == SWARM_EVENT_SPAWN) {
        spawn = (swarm_spawn_spec){next.field[0], next.field[1], next.field[2]};
        spec.spawn = &spawn;
    }
    round_finish(sw);
    sw->now_ns = event->now_ns > sw->now_ns ? event->now_ns : sw->now_ns;
    if (swarm_run_open(sw, &spec).id == 0) {
        swarm_error error = {.text = NULL};
        swarm_status status = swarm_fault(sw, &error);

        swarm__resume_fail(sw, status, error.text);
    }
}

static void again_limits(swarm *sw, const swarm_event *event, uint32_t run) {
    round_finish(sw);
    (void)swarm_run_limits(sw, run_handle(&sw->dispatch, run), or_zero(event->field[0]),
                           or_zero(event->field[1]));
}

static void again_cancel(swarm *sw, const swarm_event *event) {
    uint32_t run = event->run == 0 ? NONE32 : run_numbered(sw, event->run), slot = NONE32;
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

static void again_command(swarm *sw, const swarm_event *event) {
    uint32_t run = event->run == 0 ? NONE32 : run_numbered(sw, event->run), slot;
    const unsigned char *at = sw->log.expect;

    if (event->field[0] == SWARM_COMMAND_DRAIN) {
        sw->draining = true;
        while (sw->log.expect == at && !sw->log.differs && swarm__round_operation(sw)) {
        }
    } else if (run != NONE32 && event->field[0] == SWARM_COMMAND_FORGET_STEP) {
        slot = swarm__replay_slot(sw, run, event->step);
        if (slot != NONE32) {
            (void)swarm_step_forget(sw, swarm__graph_handle(&sw->graph, slot));
        }
    } else if (run != NONE32) {
        round_finish(sw);
        sw->resume.posts = swarm__round_slots(sw, sw->resume.posts);
        requests_sweep(sw);
        if (event->field[0] == SWARM_COMMAND_AGAIN) {
            (void)swarm_run_again(sw, run_handle(&sw->dispatch, run));
        } else {
            (void)swarm_run_forget(sw, run_handle(&sw->dispatch, run));
        }
    }
    sw->log.differs = sw->log.differs || sw->log.expect == at;
}

static void again_wait(swarm *sw, const swarm_event *event, uint32_t run) {
    uint32_t other = event->field[2] == 0 ? NONE32 : run_numbered(sw, event->field[2]);
    uint32_t index, slot = NONE32;
    swarm_step step = {0};

    round_finish(sw);
    index = run == NONE32 ? NONE32 : attempt_numbered(sw, event, run);
    if (other != NONE32) {
        slot = swarm__replay_slot(sw, other, event->field[3]);
    }
    if (slot != NONE32) {
        step = swarm__graph_handle(&sw->graph, slot);
    }
    if (index == NONE32 ||
        swarm_attempt_wait(sw, attempt_handle(&sw->dispatch, index), step) != SWARM_OK) {
        sw->log.differs = true;
    }
}

/* ---- the one place */

/* Goes on with the round until it writes something. */
static void decide(swarm *sw) {
    const unsigned char *at = sw->log.expect;

    while (sw->round.phase == ROUND_APPLY && sw->log.expect == at && !sw->log.differs &&
           swarm__round_operation(sw)) {
    }
}

/* What the owner did between two rounds. False: it is a decision after all. */
static bool replay_owner(swarm *sw, const swarm_event *event) {
    uint32_t run = event->run == 0 ? NONE32 : run_numbered(sw, event->run);

    switch (event->kind) {
    case SWARM_EVENT_RUN_OPEN:
        again_open(sw, event);
        return true;
    case SWARM_EVENT_CLOSE:
        if (event->field[0] != 0 || run == NONE32) {
            return false; /* by a cancel */
        }
        round_finish(sw);
        (void)swarm_run_close(sw, run_handle(&sw->dispatch, run));
        return true;
    case SWARM_EVENT_LIMITS:
        if (run != NONE32) {
            again_limits(sw, event, run);
        }
        return run != NONE32;
    case SWARM_EVENT_BREAKER_RESET:
        round_finish(sw);
        (void)swarm_breaker_reset(sw, (swarm_backend_id){event->field[0]});
        return true;
    case SWARM_EVENT_COMMAND:
        again_command(sw, event);
        return true;
    case SWARM_EVENT_WAIT:
        again_wait(sw, event, run);
        return true;
    default:
        return false;
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
    case SWARM_EVENT_CANCEL:
        again_cancel(sw, event);
        return true;
    case SWARM_EVENT_RUN_END:
        again_run_end(sw, event);
        return true;
    default:
        return false;
    }
}

/* Inputs that are in the log and that nobody gives to the transition again yet. */
static bool is_unsupported(uint32_t kind) {
    return kind == SWARM_EVENT_PROGRESS || kind == SWARM_EVENT_ANSWER ||
           kind == SWARM_EVENT_BUDGET || kind == SWARM_EVENT_BUDGET_LIMIT ||
           kind == SWARM_EVENT_BUDGET_CLOSE || kind == SWARM_EVENT_PUT ||
           kind == SWARM_EVENT_NOTE || kind == SWARM_EVENT_STATE_BRANCH || kind == SWARM_EVENT_OVER;
}

/* Whether all is at hand that the event's operation will write. */
static bool is_complete(const swarm *sw, const swarm_event *event) {
    return event->kind == SWARM_EVENT_PLAN   ? swarm__replay_plan_whole(sw, 0)
           : event->kind == SWARM_EVENT_CALL ? call_is_whole(sw)
                                             : true;
}

static void replay_one(swarm *sw, const swarm_event *event) {
    if (event->kind == SWARM_EVENT_ROUND) {
        again_round(sw, event);
    } else if (event->kind == SWARM_EVENT_SETUP) {
        swarm__replay_setup(sw, event);
    } else if (event->kind == SWARM_EVENT_PLAN) {
        round_finish(sw);
        swarm__replay_plan(sw, event->run == 0 ? NONE32 : run_numbered(sw, event->run));
    } else if (is_unsupported(event->kind)) {
        swarm__resume_fail(sw, SWARM_E_UNSUPPORTED, "resume: an event that is not replayed yet");
    } else if (!replay_owner(sw, event) && !replay_arrival(sw, event)) {
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
        if (!is_complete(sw, &event)) {
            return; /* the next frame has the rest */
        }
        replay_one(sw, &event);
        if (sw->log.differs || sw->log.expect == at) {
            swarm__resume_fail(sw, SWARM_E_MISMATCH,
                               "resume: set up otherwise, or another program, wrote this log");
        }
        requests_sweep(sw);
    }
}
