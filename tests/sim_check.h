/* SPDX-License-Identifier: MIT */
/*
 * sim_check.h - the model at work: every event of the log goes to its judge, and when an instant is
 * over the whole is looked at for what did not happen, and compared with what the library says.
 */
#ifndef SWARM_TESTS_SIM_CHECK_H
#define SWARM_TESTS_SIM_CHECK_H

#include "sim_model.h"

/* ---- budgets: the reservation stands before its START, the settlement behind its DONE */

static inline void amounts_of(const uint64_t *field, uint64_t steps, swarm_amounts *out) {
    *out = (swarm_amounts){steps, field[0], field[1], field[2], field[3], field[4]};
}

static inline void amounts_add(swarm_amounts *sum, const swarm_amounts *more, bool minus) {
    sum->steps += minus ? 0 - more->steps : more->steps;
    sum->input_tokens += minus ? 0 - more->input_tokens : more->input_tokens;
    sum->cached_tokens += minus ? 0 - more->cached_tokens : more->cached_tokens;
    sum->output_tokens += minus ? 0 - more->output_tokens : more->output_tokens;
    sum->cost_nano += minus ? 0 - more->cost_nano : more->cost_nano;
    sum->running_ns += minus ? 0 - more->running_ns : more->running_ns;
}

static inline bool same_amounts(const swarm_amounts *a, const swarm_amounts *b) {
    return a->steps == b->steps && a->input_tokens == b->input_tokens &&
           a->cached_tokens == b->cached_tokens && a->output_tokens == b->output_tokens &&
           a->cost_nano == b->cost_nano && a->running_ns == b->running_ns;
}

static inline void on_reserve(struct world *w, struct sim_step *step, const uint64_t *field) {
    uint32_t budget = (uint32_t)field[1] - 1;
    swarm_amounts amounts;

    amounts_of(field + 3, 1, &amounts);
    CHECK(w, budget + 1 == step->charge, "RESERVE of a budget that the step does not charge");
    CHECK(w, same_amounts(&amounts, &step->reserve), "RESERVE of other amounts");
    CHECK(w, budget_fits(w, step), "RESERVE above a limit");
    for (uint32_t i = 0; i <= budget; i++) {
        amounts_add(&w->reserved[i], &amounts, false);
    }
}

static inline void on_settle(struct world *w, struct sim_step *step, const uint64_t *field) {
    uint32_t budget = (uint32_t)field[1] - 1;
    const struct flight *flight = &w->landed;
    bool counts = !flight->answered || flight->outcome == SWARM_OUTCOME_QUOTA ||
                  !does_not_count(flight->outcome);
    swarm_amounts used;

    amounts_of(field + 3, counts && (flight->handed || flight->answered), &used);
    CHECK(w, budget + 1 == step->charge, "SETTLE of a budget that the step does not charge");
    CHECK(w, flight->number == field[0], "SETTLE of another attempt than the last to end");
    if (flight->answered && (field[2] & SWARM_SETTLE_ESTIMATE) == 0) {
        CHECK(w,
              used.input_tokens == flight->usage.input_tokens &&
                  used.output_tokens == flight->usage.output_tokens &&
                  used.cost_nano == flight->usage.cost_nano,
              "SETTLE of another usage than was answered");
    }
    for (uint32_t i = 0; i <= budget; i++) {
        amounts_add(&w->reserved[i], &step->reserve, true);
        amounts_add(&w->spent[i], &used, false);
    }
}

/* ---- runs and plans */

static inline void on_run_end(struct world *w, struct sim_run *run, const uint64_t *field) {
    uint64_t count[6] = {0}, sum = 0;

    for (uint32_t i = 0; i < run->count; i++) {
        struct sim_step *step = &run->steps[i];

        if (step->kind == KIND_PLAIN) {
            continue; /* the log does not tell of all their ends */
        }
        CHECK(w, is_over(step), "RUN END before a step's END");
        count[step->state - SWARM_STEP_OK]++;
    }
    for (uint32_t i = 0; i < 6; i++) {
        CHECK(w, count[i] <= field[i], "RUN END counts an end too few");
        sum += field[i];
    }
    CHECK(w, sum == run->count, "RUN END counts wrong");
    run->ended = true;
}

/* A call step's plan was applied: some agent steps, perhaps one behind the other. */
static inline void on_plan(struct world *w, struct sim_run *run, const uint64_t *field) {
    uint64_t shape;

    if (field[5] == 0) {
        return;
    }
    CHECK(w, field[5] <= run->count, "a plan of an unknown step");
    shape = call_draw(run->spec.seed, field[5] - 1, 255);
    CHECK(w, field[1] == run->count, "ordinals have a gap");
    CHECK(w, run->count + field[2] <= STEPS_MAX, "a plan that nobody brought");
    for (uint32_t i = 0; i < field[2]; i++) {
        struct sim_step *step = &run->steps[run->count++];

        memset(step, 0, sizeof *step);
        step->owner = (uint32_t)field[5];
        step->gone = true;
        step->cancel_posted = run->steps[field[5] - 1].cancel_posted;
        if (i != 0 && (shape >> 8 & 1) != 0) {
            step->into[step->into_count++] = (struct into){.from = run->count - 2};
        }
    }
    CHECK(w, field[2] == shape % 3 + 1, "a call step's plan lost a step");
}

static inline void on_loop(struct world *w, struct sim_run *run, struct sim_step *step,
                           const uint64_t *field) {
    bool enough, last;

    CHECK(w, step->has_loop, "LOOP of no loop");
    if (step->kind != KIND_AGENT) {
        call_result(run, step);
    }
    enough = (step->loop.until == SWARM_WHEN_BRANCH && step->branch == step->loop.value) ||
             (step->loop.until == SWARM_WHEN_CONFIDENT && step->confidence_ppm >= step->loop.value);
    last = step->iteration == step->loop.iterations_max;
    CHECK(w, field[1] == step->iteration, "LOOP counts wrong");
    CHECK(w, field[0] == (enough ? 2u : last ? 3u : 1u), "LOOP decides wrong");
    if (field[0] == 1) {
        step->iteration++;
        step->tried = step->number = 0;
        step->state = SWARM_STEP_HELD;
    }
}

static inline void on_vote(struct world *w, struct sim_step *step, const uint64_t *field) {
    CHECK(w, step->has_vote, "VOTE of no vote");
    if (field[0] == 1) {
        CHECK(w, field[3] >= step->vote.quorum, "VOTE won without its quorum");
    }
    if (field[0] != 3) {
        CHECK(w, field[1] != 0 && field[1] <= step->number, "VOTE won by nobody");
        step->branch = step->ballot_branch[field[1] - 1];
        step->confidence_ppm = step->ballot_confidence[field[1] - 1];
    }
}

static inline void on_cancel(struct world *w, struct sim_run *run, struct sim_step *step,
                             const uint64_t *field) {
    (void)w;
    if (field[0] == 3 && run != NULL) {
        run->cancelled = true;
    } else if (field[0] == 1 && step != NULL) {
        step->cancel_applied = true;
    }
}

/* Events about attempts. */
static inline void event_of_attempt(struct world *w, struct sim_run *run, struct sim_step *step,
                                    const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_START:
        on_start(w, run, step, event->field);
        break;
    case SWARM_EVENT_DONE:
        on_done(w, run, step, event->field);
        break;
    case SWARM_EVENT_RETRY:
        on_retry(w, step, event->field);
        break;
    case SWARM_EVENT_GIVE_UP:
        on_give_up(w, run, step, event->field);
        break;
    case SWARM_EVENT_FENCED:
        on_fenced(w, run, step, event->field);
        break;
    case SWARM_EVENT_RESERVE:
        on_reserve(w, step, event->field);
        break;
    case SWARM_EVENT_SETTLE:
        on_settle(w, step, event->field);
        break;
    default:
        break;
    }
}

static inline void event_of_step(struct world *w, struct sim_run *run, struct sim_step *step,
                                 const swarm_event *event) {
    switch (event->kind) {
    case SWARM_EVENT_READY:
        on_ready(w, run, step);
        break;
    case SWARM_EVENT_END:
        on_end(w, run, step, event->field);
        break;
    case SWARM_EVENT_LOOP:
        on_loop(w, run, step, event->field);
        break;
    case SWARM_EVENT_VOTE:
        on_vote(w, step, event->field);
        break;
    case SWARM_EVENT_ASK:
        step->asked = true;
        step->state = SWARM_STEP_HELD;
        step->held_until_ns = SWARM_NEVER;
        break;
    case SWARM_EVENT_ANSWER:
        step->outcome = (swarm_outcome)event->field[2];
        step->tried += step->ask.kind != 0 && step->outcome != SWARM_OUTCOME_OK;
        step->branch = (uint32_t)event->field[5];
        step->confidence_ppm = (uint32_t)event->field[6];
        step->held_until_ns = 0;
        break;
    case SWARM_EVENT_HEDGE:
        step->hedges += event->field[5] == 1;
        CHECK(w, step->has_hedge && step->hedges <= step->starts, "HEDGE of no hedge");
        break;
    default:
        event_of_attempt(w, run, step, event);
        break;
    }
}

static inline void model_event(struct world *w, const swarm_event *event) {
    struct sim_run *run =
        event->run != 0 && event->run <= w->runs_count ? &w->runs[event->run - 1] : NULL;
    struct sim_step *step = NULL;

    CHECK(w, event->now_ns >= w->event_ns, "the log's time runs backwards");
    CHECK(w, event->run <= w->runs_count, "an event of an unknown run");
    w->event_ns = event->now_ns;
    if (run != NULL && event->step != SWARM_NEVER) {
        bool planned = event->kind == SWARM_EVENT_STEP || event->step < run->count;

        CHECK(w, planned && event->step < STEPS_MAX, "an event of an unknown step");
        step = &run->steps[event->step];
        w->suspect = step;
    }
    switch (event->kind) {
    case SWARM_EVENT_HOLD:
        w->backend_held_ns[event->field[0] - 1] = event->field[1];
        break;
    case SWARM_EVENT_BREAKER:
        CHECK(w, event->field[0] == 1 && event->field[3] == SWARM_OUTCOME_QUOTA,
              "a breaker that nobody set");
        w->backend_shut[event->field[1] - 1] = event->field[2] == SWARM_BREAKER_OPEN;
        break;
    case SWARM_EVENT_BREAKER_RESET:
        if (w->backend_shut[event->field[0] - 1]) {
            w->backend_held_ns[event->field[0] - 1] = 0;
        }
        w->backend_shut[event->field[0] - 1] = false;
        break;
    case SWARM_EVENT_RUN_END:
        on_run_end(w, run, event->field);
        break;
    case SWARM_EVENT_PLAN:
        on_plan(w, run, event->field);
        break;
    case SWARM_EVENT_CANCEL:
        on_cancel(w, run, step, event->field);
        break;
    case SWARM_EVENT_CLOSE:
        run->closed = true;
        run->cancelled = run->cancelled || event->field[0] == 1;
        break;
    default:
        if (step != NULL) {
            event_of_step(w, run, step, event);
        }
        break;
    }
}

static inline void list_event(const struct world *w, const swarm_event *event) {
    if (!w->listing) {
        return;
    }
    printf("# %6" PRIu64 " run %" PRIu64 " step %" PRId64 " %s", event->now_ns, event->run,
           (int64_t)event->step, swarm_event_text(event->kind));
    for (uint32_t i = 0; i < event->fields; i++) {
        printf(" %" PRIu64, event->field[i]);
    }
    printf("\n");
}

/* Reads the log out, in pieces, and judges it. True when there was any. */
static inline bool model_read(struct world *w) {
    size_t size = 0, before = w->log_size;
    swarm_status status;

    do {
        size_t needed = 0;

        CHECK(w, w->log_size + (1u << 18) < LOG_MAX, "the log grows without end");
        size = swarm_log_read(w->sw, w->log + w->log_size, w->variant.read_bytes, &needed);
        if (size == 0 && needed != 0) {
            size = swarm_log_read(w->sw, w->log + w->log_size, needed, NULL);
        }
        w->log_size += size;
    } while (size != 0);
    CHECK(w, swarm_log_acknowledge(w->sw) == SWARM_OK, "acknowledge");
    for (;;) {
        swarm_event event;

        status = swarm_event_next(w->log, w->log_size, &w->cursor, &event);
        if (status != SWARM_OK) {
            break;
        }
        list_event(w, &event);
        for (uint32_t i = 0; i < (has(w, FEATURE_CALL) ? w->runs_count : 0); i++) {
            plain_steps(&w->runs[i]);
        }
        model_event(w, &event);
    }
    CHECK(w, status == SWARM_E_MISSING, "the log can't be read");
    return w->log_size != before;
}

/* ---- when an instant is over */

/* Those behind a caller wait for its continuation, also when the caller was cancelled. */
static inline bool continues(const struct sim_run *run, const struct sim_step *step) {
    uint32_t index = (uint32_t)(step - run->steps);

    for (uint32_t i = index + 1; step->continued && i < run->count; i++) {
        if (run->steps[i].owner == index + 1 && !is_over(&run->steps[i])) {
            return true;
        }
    }
    return false;
}

static inline void steps_heard(struct sim_run *run, uint64_t now_ns) {
    for (uint32_t i = 0; i < run->count; i++) {
        struct sim_step *step = &run->steps[i];

        bool before = step->heard;

        step->heard = is_over(step) && !continues(run, step);
        for (uint32_t k = 0; k < step->into_count && !step->has_join && !step->reached; k++) {
            const struct sim_step *from = &run->steps[step->into[k].from];

            step->heard =
                step->heard &&
                (step->ran != 0 ||
                 (from->heard && now_ns >= from->heard_ns + delay_of(&step->into[k].rule)));
        }
        step->heard_ns = before || !step->heard            ? step->heard_ns
                         : step->has_join || step->reached ? step->end_ns
                                                           : now_ns;
    }
}

static inline void quiet_pending(struct world *w, const struct sim_run *run,
                                 const struct sim_step *step) {
    uint32_t verdict = verdict_of(run, step, (struct look){w->now_ns, true});

    CHECK(w, verdict != GOES || step->ran != 0, "a step whose predecessors are done was not woken");
    CHECK(w, verdict != NEVER, "a step that can never start did not end");
}

/* A step waits although somebody is free for it. */
static inline void quiet_ready(struct world *w, const struct sim_run *run,
                               const struct sim_step *step) {
    if (w->has_rate || step->kind != KIND_AGENT || step->has_vote || step->has_hedge ||
        step->ask.kind != 0) {
        return;
    }
    CHECK(w, step->queue_timeout_ns == 0 || w->now_ns < step->ready_ns + step->queue_timeout_ns,
          "a queue timeout did not fire");
    if (!run_has_room(w, (uint32_t)(run - w->runs)) || !permits_free(w, step) ||
        (step->charge != 0 && !budget_fits(w, step)) || w->flights_count + 8 > FLIGHTS_MAX) {
        return;
    }
    for (uint32_t i = 1; i <= w->agents; i++) {
        CHECK(w, !(agent_fits(w, step, i) && agent_free(w, i)),
              "a ready step was not started although an agent is free");
    }
}

static inline void quiet_step(struct world *w, const struct sim_run *run,
                              const struct sim_step *step) {
    if (step->kind == KIND_PLAIN || is_over(step)) {
        return;
    }
    CHECK(w, !step->cancel_applied, "a cancelled step did not end");
    CHECK(w, !run->cancelled, "a step of a cancelled run did not end");
    switch (step->state) {
    case SWARM_STEP_PENDING:
        quiet_pending(w, run, step);
        break;
    case SWARM_STEP_READY:
        quiet_ready(w, run, step);
        break;
    case SWARM_STEP_HELD:
        CHECK(w, w->now_ns < step->held_until_ns, "a backoff is over and nothing happened");
        break;
    default:
        break;
    }
}

static inline void quiet_flight(struct world *w, const struct flight *flight) {
    const struct sim_step *step = &w->runs[flight->run].steps[flight->step];

    CHECK(w, flight->handed, "a START was decided and not handed out");
    if (flight->given_up) {
        CHECK(w, flight->cancel_seen, "an attempt was given up without a CANCEL");
        CHECK(w, w->now_ns < flight->given_up_ns + w->grace_ns, "a grace is over and holds on");
        return;
    }
    CHECK(w, !is_over(step), "an attempt goes on although its step has ended");
    CHECK(w, step->state == SWARM_STEP_RUNNING, "an attempt of a step that does not run");
    CHECK(w,
          step->run_timeout_ns == 0 || (step->has_watch && step->has_hedge) ||
              w->now_ns < flight->start_ns + step->run_timeout_ns,
          "a run timeout did not fire");
}

static inline void quiet_run(struct world *w, const struct sim_run *run) {
    uint64_t count[6] = {0};
    swarm_run_report report = {0};

    for (uint32_t i = 0; i < run->count; i++) {
        w->suspect = &run->steps[i];
        quiet_step(w, run, &run->steps[i]);
        if (is_over(&run->steps[i]) && run->steps[i].kind != KIND_PLAIN) {
            count[run->steps[i].state - SWARM_STEP_OK]++;
        }
    }
    CHECK(w, swarm_run_report_get(w->sw, run->handle, &report) == SWARM_OK, "report");
    CHECK(w, report.steps == run->count, "the report's steps");
    CHECK(w,
          report.ok >= count[0] && report.failed >= count[1] && report.timed_out >= count[2] &&
              report.cancelled >= count[3] && report.skipped >= count[4] &&
              report.budget >= count[5],
          "the report counts ends wrong");
    CHECK(w, report.fenced == run->fenced, "the report's fenced");
    CHECK(w, (report.state == SWARM_RUN_ENDED) == run->ended, "the report's state");
}

/* What attempts in flight reserve of a budget. */
static inline swarm_amounts held_of(const struct world *w, uint32_t budget) {
    swarm_amounts sum = {0};

    for (uint32_t i = 0; i < w->flights_count; i++) {
        const struct sim_step *step = &w->runs[w->flights[i].run].steps[w->flights[i].step];

        if (step->charge > budget) {
            amounts_add(&sum, &step->reserve, false);
        }
    }
    return sum;
}

/* Nothing more happens at this time: so everything that had to has happened. */
static inline void model_quiet(struct world *w) {
    swarm_stats stats = {0};

    for (uint32_t i = 0; i < w->runs_count; i++) {
        plain_steps(&w->runs[i]);
        steps_heard(&w->runs[i], w->now_ns);
        quiet_run(w, &w->runs[i]);
    }
    for (uint32_t i = 0; i < w->flights_count; i++) {
        quiet_flight(w, &w->flights[i]);
    }
    CHECK(w, swarm_stats_get(w->sw, &stats) == SWARM_OK, "stats");
    CHECK(w, stats.inflight == w->flights_count, "stats.inflight");
    for (uint32_t i = 0; i < (has(w, FEATURE_BUDGET) ? BUDGETS : 0); i++) {
        swarm_amounts held = held_of(w, i);
        swarm_budget_info info = {0};

        CHECK(w, swarm_budget_get(w->sw, w->budgets[i], &info) == SWARM_OK, "budget");
        CHECK(w, same_amounts(&info.reserved, &held), "a reservation leaks");
        CHECK(w, same_amounts(&info.spent, &w->spent[i]), "a budget was booked wrong");
    }
}

#endif
