/* SPDX-License-Identifier: MIT */
/*
 * run.c - a run from opening to forgetting.
 */
#include "charge.h"
#include "guard.h"

#include <string.h>

#define DEPTH_MAX 64u
#define SPAWN_PERIOD_NS UINT64_C(60000000000)
#define OWNER_EVENTS 6u /* that an owner's call writes at most: to start a run again */

bool swarm__owner_may_log(swarm *sw) {
    return sw->round.phase == ROUND_IDLE && swarm__log_reserve(&sw->log, sw->now_ns, OWNER_EVENTS);
}

void swarm__fault(swarm *sw, swarm_status status, const char *text) {
    if (sw->fault.status == SWARM_OK) {
        swarm__refuse(&sw->fault, status, text);
    }
}

/* Status of an owner's call on a run that logs; the run's index in *out_run. */
static swarm_status run_check(swarm *sw, swarm_run handle, uint32_t *out_run) {
    if (sw == NULL) {
        return SWARM_E_INVALID;
    }
    if (!swarm__owned(sw)) {
        return SWARM_E_BUSY;
    }
    *out_run = run_find(&sw->dispatch, handle);
    return *out_run == NONE32 ? SWARM_E_STALE : SWARM_OK;
}

static uint64_t cap_of(uint64_t given, uint64_t otherwise) {
    return given == 0 ? otherwise : given == SWARM_ZERO ? 0 : given;
}

static void log_open(swarm *sw, uint32_t index) {
    const struct run *run = &sw->dispatch.runs[index];
    uint64_t fields[8] = {run->key,       run->seed,         run->order,     run->flags,
                          run->steps_max, run->attempts_max, run->depth_max, run->inflight_max};

    uint64_t options[1] = {run->tenant}, charge[7];

    swarm__log(sw, SWARM_EVENT_RUN_OPEN, index, SWARM_NEVER, fields);
    if (run->deadline_ns != SWARM_NEVER) {
        swarm__log(sw, SWARM_EVENT_DEADLINE, index, SWARM_NEVER, &run->deadline_ns);
    }
    if (run->tenant != 0) {
        swarm__log(sw, SWARM_EVENT_RUN_OPTIONS, index, SWARM_NEVER, options);
    }
    if (run->charge.budget.id != 0) {
        swarm__charge_tell_run(&sw->dispatch, run, charge);
        swarm__log(sw, SWARM_EVENT_CHARGE, index, SWARM_NEVER, charge);
    }
}

/* False when the numbers do not fit. */
static bool spawn_fill(swarm *sw, const swarm_spawn_spec *spec, struct bucket *out_rate) {
    return bucket_init(out_rate, spec->steps, cap_of(spec->period_ns, SPAWN_PERIOD_NS),
                       cap_of(spec->burst, spec->steps), sw->now_ns);
}

static void log_spawn(swarm *sw, uint32_t index, const swarm_spawn_spec *spec) {
    uint64_t fields[3] = {spec->steps, cap_of(spec->period_ns, SPAWN_PERIOD_NS),
                          cap_of(spec->burst, spec->steps)};

    swarm__log(sw, SWARM_EVENT_SPAWN, index, SWARM_NEVER, fields);
}

static void run_begin(swarm *sw, uint32_t index) {
    struct run *run = &sw->dispatch.runs[index];

    run->number = ++sw->runs_opened;
    sw->runs_open++;
    ATOMIC_STORE(&sw->gauges.open, sw->runs_open, relaxed); /* who looks before the first round */
    memset(&run->report, 0, sizeof run->report);
    swarm__log_flush(&sw->log); /* events of the slot's last run, or time round */
    hash128_init(&sw->streams[index].hash, SWARM_TRACE_VERSION);
    sw->streams[index].now_ns = SWARM_NEVER; /* no time has gone in */
    run->begun = 0;
    run->ended = false;
    run->started = false;
    run->cancelled = false;
    run->quiet = false;
    log_open(sw, index);
}

/* All but the generation, at which other threads may be looking. */
static void run_fill(swarm *sw, uint32_t index, const swarm_run_spec *spec) {
    struct run *run = &sw->dispatch.runs[index];
    uint32_t generation = ATOMIC_LOAD(&run->generation, relaxed);

    memset(run, 0, offsetof(struct run, generation));
    run->key = spec->key;
    run->seed = spec->seed != 0 ? spec->seed : hash_mix64(sw->config.seed, sw->runs_opened + 1);
    run->steps_max = cap_of(spec->steps_max, SWARM_NEVER);
    sw->caps = sw->caps || run->steps_max != SWARM_NEVER;
    run->attempts_max = cap_of(spec->attempts_max, SWARM_NEVER);
    run->depth_max = spec->depth_max == 0 ? DEPTH_MAX : spec->depth_max;
    run->inflight_max = spec->inflight_max == 0 ? SWARM_NONE : spec->inflight_max;
    run->order = spec->order;
    run->flags = spec->flags;
    if (spec->charge != NULL) {
        run->charge = *spec->charge;
    }
    if (spec->spawn != NULL) {
        (void)spawn_fill(sw, spec->spawn, &run->spawn); /* spec_check has tried it */
    }
    run->tenant = (uint32_t)spec->tenant.id;
    run->deadline_ns = spec->deadline_ns == 0 ? SWARM_NEVER : spec->deadline_ns;
    run->demands = NONE32;
    run->first = NONE32;
    run->last = NONE32;
    /* Release: the record before a thread that was given the handle looks at it. */
    ATOMIC_STORE(&run->generation, generation + 1, release);
}

static swarm_status spec_check(swarm *sw, const swarm_run_spec *spec, const char **out_text) {
    struct bucket rate;

    if (spec->order > SWARM_ORDER_SLACK || spec->flags > (SWARM_RUN_GROWING | SWARM_RUN_DURABLE)) {
        *out_text = "run: unknown order or flags";
        return SWARM_E_INVALID;
    }
    if ((spec->flags & SWARM_RUN_GROWING) != 0 && (sw->config.flags & SWARM_CONFIG_STATIC) != 0) {
        *out_text = "run: the configuration has room for static runs only";
        return SWARM_E_INVALID;
    }
    if (spec->charge != NULL && budget_find(&sw->dispatch, spec->charge->budget) == NONE32) {
        *out_text = "run: no such budget";
        return SWARM_E_STALE;
    }
    if (spec->spawn != NULL &&
        (spec->spawn->steps == 0 || (spec->flags & SWARM_RUN_GROWING) == 0)) {
        *out_text = "run: a spawn of no steps, or in a static run";
        return SWARM_E_INVALID;
    }
    if (spec->spawn != NULL && !spawn_fill(sw, spec->spawn, &rate)) {
        *out_text = "run: the spawn's burst times its period is too large";
        return SWARM_E_OVERFLOW;
    }
    if (spec->tenant.id > sw->dispatch.tenants_count) {
        *out_text = "run: no such tenant";
        return SWARM_E_STALE;
    }
    if (run_by_key(&sw->dispatch, spec->key) != NONE32) {
        *out_text = "run: the key is taken";
        return SWARM_E_DUPLICATE;
    }
    if (run_free_slot(&sw->dispatch) == NONE32) {
        *out_text = "run: raise config.runs_max, or forget runs that have ended";
        return SWARM_E_FULL;
    }
    return SWARM_OK;
}

swarm_run swarm_run_open(swarm *sw, const swarm_run_spec *spec) {
    static const swarm_run_spec defaults;
    const swarm_run none = {0};
    const char *text = "run: read out the log first";
    swarm_status status;
    uint32_t index;

    if (!swarm__owned(sw)) {
        return none;
    }
    spec = spec == NULL ? &defaults : spec;
    status = spec_check(sw, spec, &text);
    if (status == SWARM_OK && !swarm__owner_may_log(sw)) {
        status = SWARM_E_AGAIN;
    }
    if (status != SWARM_OK) {
        swarm__fault(sw, status, text);
        return none;
    }
    index = run_free_slot(&sw->dispatch);
    run_fill(sw, index, spec);
    swarm__scope_open(&sw->graph, index, index, NONE32, SWARM_NEVER);
    run_begin(sw, index);
    if (spec->spawn != NULL) {
        log_spawn(sw, index, spec->spawn);
    }
    return run_handle(&sw->dispatch, index);
}

uint64_t swarm__run_steps(const swarm *sw, uint32_t index) {
    const struct graph *graph = &sw->graph;
    uint64_t steps = sw->dispatch.runs[index].report.steps;

    /* Relaxed: calls are quiet, and the turn has seen that. */
    steps += ATOMIC_LOAD(&graph->scopes[index].added, relaxed);
    for (uint32_t i = sw->config.runs_max; i < sw->scopes_fresh; i++) {
        bool in_use = ATOMIC_LOAD(&graph->scopes[i].open, relaxed) != 0;

        if (in_use && graph->scopes[i].run == index) {
            steps += ATOMIC_LOAD(&graph->scopes[i].added, relaxed);
        }
    }
    return steps;
}

bool swarm__run_over(swarm *sw, uint32_t index) {
    struct run *run = &sw->dispatch.runs[index];
    uint64_t fields[2] = {run->steps_max, 0};

    if (run->limited || run->steps_max == SWARM_NEVER) {
        return false;
    }
    fields[1] = swarm__run_steps(sw, index);
    if (fields[1] <= run->steps_max) {
        return false;
    }
    run->limited = true;
    swarm__log(sw, SWARM_EVENT_OVER, index, SWARM_NEVER, fields);
    return true;
}

/* Plans that workers link at once get no verdict of their own: caps are looked at when calls are
 * quiet, so that the number of workers cannot be seen. */
bool swarm__caps_look(swarm *sw) {
    if (sw->round.caps_seen) {
        return false;
    }
    sw->round.caps_seen = true;
    for (uint32_t i = 0; i < sw->config.runs_max && swarm__graph_quiet(&sw->graph); i++) {
        const struct run *run = &sw->dispatch.runs[i];

        if (ATOMIC_LOAD(&run->generation, relaxed) % 2 == 1 && !run->ended &&
            swarm__run_over(sw, i)) {
            sw->round.caps_seen = false; /* there may be another one */
            swarm__run_stop(sw, i);
            return true;
        }
    }
    return false;
}

/* Ends the run if it is closed and nothing of it is left. */
void swarm__run_check_end(swarm *sw, uint32_t index) {
    struct run *run = &sw->dispatch.runs[index];
    swarm_run_report report;

    /* Acquire: pairs with the release of the last count down, so that the totals are there. */
    if (ATOMIC_LOAD(&run->generation, relaxed) % 2 == 0 || run->ended || !run->closed ||
        ATOMIC_LOAD(&sw->graph.scopes[index].open, acquire) != 0) {
        return;
    }
    (void)swarm__run_over(sw, index);
    run->ended = true;
    run->report.state = SWARM_RUN_ENDED;
    sw->runs_open--;
    (void)swarm_run_report_get(sw, run_handle(&sw->dispatch, index), &report);

    uint64_t fields[7] = {report.ok,      report.failed, report.timed_out, report.cancelled,
                          report.skipped, report.budget, report.attempts};

    swarm__log(sw, SWARM_EVENT_RUN_END, index, SWARM_NEVER, fields);
}

swarm_status swarm_run_close(swarm *sw, swarm_run handle) {
    uint64_t cancelled = 0;
    uint32_t index;
    swarm_status status = run_check(sw, handle, &index);
    struct run *run;

    if (status != SWARM_OK) {
        return status;
    }
    run = &sw->dispatch.runs[index];
    if (run->closed) {
        return SWARM_OK;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    run->closed = true;
    run->report.state = SWARM_RUN_CLOSED;
    swarm__log(sw, SWARM_EVENT_CLOSE, index, SWARM_NEVER, &cancelled);
    run->quiet = true; /* it may have nothing left to do */
    sw->round.runs_quiet = true;
    return SWARM_OK;
}

/* Before the steps run again their results go back to whoever lent them. True when none is left. */
static bool results_returned(swarm *sw, struct run *run) {
    struct dispatch *d = &sw->dispatch;

    for (uint32_t at = run->releases == 0 ? run->first : NONE32; at != NONE32;
         at = d->tracked[at].run_next) {
        if (d->tracked[at].lent) {
            run->releases++;
            release_request(d, at);
        }
    }
    return run->releases == 0;
}

static void tracked_again(struct dispatch *d, struct tracked *step) {
    const swarm_result nothing = {0};

    if (step->guard != NONE32) {
        swarm__guard_again(d, step->guard);
    }
    step->result = nothing;
    step->state = SWARM_STEP_PENDING;
    step->reason = SWARM_OK;
    step->outcome = SWARM_OUTCOME_OK;
    step->plan_status = SWARM_OK;
    step->attempts = 0;
    step->epoch = 0;
    step->agent = NONE32;
    step->ready_ns = step->start_ns = step->end_ns = 0;
    step->finished = false;
    swarm__inputs_clear(d, step);
    step->answered = false;
}

swarm_status swarm_run_again(swarm *sw, swarm_run handle) {
    uint32_t index, cursor = NONE32, slot;
    swarm_status status = run_check(sw, handle, &index);
    struct run *run;
    uint64_t again = SWARM_COMMAND_AGAIN;
    swarm_run_report before;

    if (status != SWARM_OK) {
        return status;
    }
    run = &sw->dispatch.runs[index];
    if ((run->flags & SWARM_RUN_GROWING) != 0) {
        return SWARM_E_FROZEN;
    }
    if (!run->ended || run->inflight + run->late + run->dropping != 0 ||
        !results_returned(sw, run)) {
        return SWARM_E_BUSY;
    }
    if (!swarm__state_stands(sw, index)) {
        return SWARM_E_STALE;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    before = run->report;
    swarm__log(sw, SWARM_EVENT_COMMAND, index, SWARM_NEVER, &again);
    swarm__delays_pass(sw, index);
    swarm__state_clear(sw, index, false);
    run_begin(sw, index);
    run->report.steps = before.steps;
    run->report.edges = before.edges;
    run->report.edges_repeated = before.edges_repeated;
    run->report.start_ns = sw->now_ns;
    run->report.state = SWARM_RUN_CLOSED;
    run->started = true;
    for (uint32_t at = run->first; at != NONE32; at = sw->dispatch.tracked[at].run_next) {
        tracked_again(&sw->dispatch, &sw->dispatch.tracked[at]);
        swarm__recovery_again(sw, &sw->dispatch.tracked[at]);
    }
    swarm__scope_open(&sw->graph, index, index, NONE32, SWARM_NEVER);
    swarm__graph_region_reset(&sw->graph, index);
    swarm__shapes_again(sw, index);
    while (swarm__graph_region_start(&sw->graph, index, &cursor, &slot)) {
        swarm__woken_push(sw, slot, false);
    }
    swarm__shapes_start_again(sw, index);
    run->quiet = before.steps == 0;
    sw->round.runs_quiet = true;
    return SWARM_OK;
}

static void forget_static(swarm *sw, uint32_t index) {
    struct run *run = &sw->dispatch.runs[index];

    while (run->first != NONE32) {
        struct tracked *step = &sw->dispatch.tracked[run->first];

        for (uint32_t cell = step->inputs_first; cell != NONE32;) {
            uint32_t next = sw->dispatch.inputs[cell].next;

            slots_give(&sw->dispatch.inputs_free, cell);
            cell = next;
        }
        swarm__step_free(sw, run->first);
    }
    swarm__graph_region_free(&sw->graph, index);
}

/* Everything has ended, so what is still there is kept. Tracked steps by their list; plain kept
 * ones are all in the root scope, and found by looking. */
static void forget_growing(swarm *sw, uint32_t index) {
    struct graph *graph = &sw->graph;
    struct run *run = &sw->dispatch.runs[index];
    uint64_t bounds = ATOMIC_LOAD(&graph->steps.bounds, relaxed);
    bool last;

    while (run->first != NONE32) {
        uint32_t slot = sw->dispatch.tracked[run->first].slot;

        (void)graph_let_go(graph, slot, &last);
        SWARM_ASSERT(last);
        swarm__step_recycle(sw, slot);
    }
    for (uint32_t slot = space_high(bounds); slot < sw->config.steps_max; slot++) {
        if (graph->scope[slot] == index && ATOMIC_LOAD(&graph->refs[slot], relaxed) == GRAPH_KEPT) {
            (void)graph_let_go(graph, slot, &last);
            swarm__step_recycle(sw, slot);
        }
    }
}

swarm_status swarm_run_forget(swarm *sw, swarm_run handle) {
    uint32_t index;
    swarm_status status = run_check(sw, handle, &index);
    uint64_t forget = SWARM_COMMAND_FORGET_RUN;
    struct run *run;

    if (status != SWARM_OK) {
        return status;
    }
    run = &sw->dispatch.runs[index];
    if (!run->ended || run->inflight + run->late + run->dropping != 0 ||
        sw->round.phase != ROUND_IDLE ||
        !mailbox_looks_empty(&sw->graph.posts) || /* maybe a step of this run that nobody needs */
        (sw->plans[sw->config.plans_max].open && sw->plans[sw->config.plans_max].run == index)) {
        return SWARM_E_BUSY;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    swarm__log(sw, SWARM_EVENT_COMMAND, index, SWARM_NEVER, &forget);
    swarm__delays_pass(sw, index);
    if ((run->flags & SWARM_RUN_GROWING) != 0) {
        forget_growing(sw, index);
    } else {
        forget_static(sw, index);
    }
    SWARM_ASSERT(run->first == NONE32);
    swarm__state_clear(sw, index, true);
    /* Release: whoever finds the handle stale sees nothing older. Even: the slot is free. */
    ATOMIC_STORE(&run->generation, ATOMIC_LOAD(&run->generation, relaxed) + 1, release);
    return SWARM_OK;
}

swarm_status swarm_run_limits(swarm *sw, swarm_run handle, uint64_t steps_max,
                              uint64_t attempts_max) {
    uint32_t index;
    swarm_status status = run_check(sw, handle, &index);
    struct run *run;

    if (status != SWARM_OK) {
        return status;
    }
    if (!swarm__owner_may_log(sw)) {
        return SWARM_E_AGAIN;
    }
    run = &sw->dispatch.runs[index];
    run->steps_max = cap_of(steps_max, run->steps_max);
    sw->caps = sw->caps || run->steps_max != SWARM_NEVER;
    run->attempts_max = cap_of(attempts_max, run->attempts_max);

    uint64_t fields[2] = {run->steps_max, run->attempts_max};

    swarm__log(sw, SWARM_EVENT_LIMITS, index, SWARM_NEVER, fields);
    return SWARM_OK;
}

swarm_run swarm_run_find(swarm *sw, uint64_t key) {
    const swarm_run none = {0};
    uint32_t index = swarm__owned(sw) ? run_by_key(&sw->dispatch, key) : NONE32;

    return index == NONE32 ? none : run_handle(&sw->dispatch, index);
}

swarm_status swarm_run_report_get(swarm *sw, swarm_run handle, swarm_run_report *out_report) {
    uint32_t index;
    swarm_status status = run_check(sw, handle, &index);
    const struct scope *root;

    if (status != SWARM_OK || out_report == NULL) {
        return status != SWARM_OK ? status : SWARM_E_INVALID;
    }
    root = &sw->graph.scopes[index];
    *out_report = sw->dispatch.runs[index].report;
    /* Relaxed: workers' counts so far. */
    out_report->ok += ATOMIC_LOAD(&root->ok, relaxed);
    out_report->skipped += ATOMIC_LOAD(&root->skipped, relaxed);
    out_report->cancelled += ATOMIC_LOAD(&root->stopped, relaxed);
    out_report->steps += ATOMIC_LOAD(&root->added, relaxed);
    if (!sw->dispatch.runs[index].ended && swarm__graph_quiet(&sw->graph) &&
        !swarm__round_pending(sw) && swarm__ask_run_waits(sw, index)) {
        out_report->state = SWARM_RUN_PAUSED;
    }
    if (sw->log.enabled) {
        swarm__log_flush(&sw->log);
        hash128_end(&sw->streams[index].hash, out_report->hash);
    }
    return SWARM_OK;
}
