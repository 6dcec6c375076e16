/* SPDX-License-Identifier: MIT */
/*
 * guard.c - the options that watch over a step's attempts: checked when the step is added, logged
 * with its plan (they are inputs: a replay needs them), and the timer of the step.
 */
#include "../dispatch/vote.h"
#include "guard.h"

#include <string.h>

#define RATE_WINDOW_NS UINT64_C(10000000000)
#define HEDGE_QUANTILE 950000u
#define HEDGE_SAMPLES 20u
#define HEDGE_SHARE 100000u
#define DAY_NS UINT64_C(86400000000000)

bool swarm__guard_wanted(const swarm_step_spec *spec) {
    return spec->watch != NULL || spec->ask != NULL || spec->hedge != NULL || spec->vote != NULL ||
           spec->recovery != NULL || spec->task != 0;
}

bool swarm__guard_asks(const swarm *sw, const struct tracked *step) {
    return step->guard != NONE32 && sw->dispatch.guards[step->guard].ask.kind != SWARM_ASK_NONE;
}

static uint64_t or_never(uint64_t value) {
    return value == 0 ? SWARM_NEVER : value == SWARM_ZERO ? 0 : value;
}

static const char *watch_fault(const swarm_watch_spec *spec) {
    if (spec->reserved != 0 || spec->confidence_min_ppm > MILLION ||
        (spec->notes >> (SWARM_DETECT_LEASE + 1)) != 0) {
        return "watch: confidence_min_ppm above 1,000,000, unknown notes, or reserved is not 0";
    }
    if (spec->repeat_max == 1 ||
        (spec->repeat_max > PULSE_REPEATS_MAX && spec->repeat_max != SWARM_NONE)) {
        return "watch: repeat_max is 2 to 255";
    }
    if (spec->late_ns != 0 && spec->late_ns != SWARM_NEVER && spec->tokens_expected == 0) {
        return "watch: late_ns needs tokens_expected";
    }
    return NULL;
}

static void watch_fill(swarm_watch_spec *watch) {
    watch->idle_timeout_ns = or_never(watch->idle_timeout_ns);
    watch->lease_ns = or_never(watch->lease_ns);
    watch->deadline_ns = or_never(watch->deadline_ns);
    watch->late_ns = or_never(watch->late_ns);
    watch->rate_window_ns = watch->rate_window_ns == 0 ? RATE_WINDOW_NS : watch->rate_window_ns;
    watch->repeat_max = watch->repeat_max == 0 ? SWARM_NONE : watch->repeat_max;
}

static const char *ask_fault(const swarm_ask_spec *spec) {
    uint64_t day_ns = spec->day_ns == 0 ? DAY_NS : spec->day_ns;

    if (spec->kind == SWARM_ASK_PAUSE || spec->on_timeout > SWARM_ASK_VALUE) {
        return "ask: the kind is PAUSE, or on_timeout is unknown";
    }
    if (spec->open_ns >= day_ns || spec->close_ns >= day_ns) {
        return "ask: open_ns and close_ns are below day_ns";
    }
    if (spec->reminder_ns == SWARM_ZERO) {
        return "ask: reminders without a pause between them";
    }
    return NULL;
}

static void ask_fill(swarm_ask_spec *ask) {
    ask->timeout_ns = or_never(ask->timeout_ns);
    ask->reminder_ns = or_never(ask->reminder_ns);
    ask->day_ns = ask->day_ns == 0 ? DAY_NS : ask->day_ns;
}

static const char *hedge_fault(const swarm_hedge_spec *spec) {
    if (spec->quantile_ppm > MILLION || spec->share_max_ppm > MILLION || spec->reserved != 0) {
        return "hedge: quantile_ppm or share_max_ppm above 1,000,000, or reserved is not 0";
    }
    return spec->samples_min > QUANTILE_TOTAL_MAX / 2 ? "hedge: samples_min is above 2,048" : NULL;
}

static void hedge_fill(swarm_hedge_spec *hedge) {
    hedge->after_ns = or_never(hedge->after_ns);
    hedge->quantile_ppm = hedge->quantile_ppm == 0 ? HEDGE_QUANTILE : hedge->quantile_ppm;
    hedge->samples_min = hedge->samples_min == 0 ? HEDGE_SAMPLES : hedge->samples_min;
    hedge->share_max_ppm = hedge->share_max_ppm == 0 ? HEDGE_SHARE : hedge->share_max_ppm;
}

static const char *vote_fault(const swarm_step_spec *step) {
    const swarm_vote_spec *spec = step->vote;

    if (spec->count == 0 || spec->count > VOTE_MAX || spec->quorum == 0 ||
        spec->quorum > spec->count || spec->start > spec->count) {
        return "vote: count is 1 to 16, quorum 1 to count, start at most count";
    }
    if (spec->distinct > (SWARM_VOTE_AGENTS | SWARM_VOTE_BACKENDS) ||
        spec->tie_break > SWARM_TIE_BEST || spec->flags > SWARM_VOTE_ALL) {
        return "vote: unknown distinct, tie_break or flags";
    }
    if (step->state != NULL) {
        return "vote: ballots write no state; let a step that reads the result do it";
    }
    return step->hedge != NULL || step->retry.attempts_max > 1
               ? "vote: a vote has neither hedge nor retry"
               : NULL;
}

/* What is wrong with the step's options, or null. */
static const char *guard_fault(const swarm_step_spec *spec) {
    const char *fault = spec->watch == NULL ? NULL : watch_fault(spec->watch);

    fault = fault != NULL || spec->ask == NULL ? fault : ask_fault(spec->ask);
    fault = fault != NULL || spec->hedge == NULL ? fault : hedge_fault(spec->hedge);
    return fault != NULL || spec->vote == NULL ? fault : vote_fault(spec);
}

static void guard_fill(struct guard *guard, const swarm_step_spec *spec) {
    memset(guard, 0, sizeof *guard);
    if (spec->watch != NULL) {
        guard->watch = *spec->watch;
        guard->has |= GUARD_WATCH;
    }
    if (spec->ask != NULL) {
        guard->ask = *spec->ask;
        guard->has |= GUARD_ASK;
    }
    if (spec->hedge != NULL) {
        guard->hedge = *spec->hedge;
        guard->has |= GUARD_HEDGE;
    }
    if (spec->vote != NULL) {
        guard->vote = *spec->vote;
        guard->vote.start = spec->vote->start == 0 ? spec->vote->count : spec->vote->start;
        guard->has |= GUARD_VOTE;
    }
    guard->task = spec->task;
    guard->has |= spec->recovery != NULL ? GUARD_RECOVERY : 0;
    guard->ballots = NONE32;
    watch_fill(&guard->watch);
    hedge_fill(&guard->hedge);
    ask_fill(&guard->ask);
    guard->first_ready_ns = SWARM_NEVER;
    guard->wake_ns = SWARM_NEVER;
}

bool swarm__guard_new(swarm_plan *plan, const swarm_step_spec *spec, uint32_t *out_guard) {
    struct dispatch *d = &plan->sw->dispatch;
    const char *fault = guard_fault(spec);

    *out_guard = NONE32;
    if (!swarm__guard_wanted(spec)) {
        return true;
    }
    if (fault != NULL) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_INVALID, fault);
        return false;
    }
    *out_guard = pool_pop(&d->guards_pool);
    if (*out_guard == NONE32) {
        swarm__graph_plan_fail(&plan->graph, SWARM_E_FULL, "step: raise config.guards_max");
        return false;
    }
    guard_fill(&d->guards[*out_guard], spec);
    return true;
}

void swarm__guard_free(struct dispatch *d, uint32_t guard) {
    SWARM_ASSERT(guard < d->config->guards_max);
    if ((d->guards[guard].has & GUARD_RECOVERY) != 0) {
        swarm__recovery_free(d, guard);
    }
    pool_push(&d->guards_pool, guard);
}

void swarm__guard_again(struct dispatch *d, uint32_t guard) {
    d->guards[guard].first_ready_ns = SWARM_NEVER;
    d->guards[guard].wake_ns = SWARM_NEVER;
    d->guards[guard].extra = 0;
    d->guards[guard].wants = 0;
    d->guards[guard].hedged = false;
    d->guards[guard].tried_count = 0;
}

uint32_t swarm__guard_events(const struct dispatch *d, uint32_t guard) {
    uint32_t has = d->guards[guard].has, count = 0;

    count += (has & GUARD_WATCH) != 0 ? 2 : 0;
    count += (has & GUARD_ASK) != 0 ? 2 : 0;
    count += (has & GUARD_HEDGE) != 0;
    count += (has & GUARD_VOTE) != 0;
    count += d->guards[guard].task != 0;
    return count + ((has & GUARD_RECOVERY) != 0 ? swarm__recovery_events(d, guard) : 0);
}

/* Parts are numbered through: each event has the part and seven numbers. */
void swarm__guard_log(swarm *sw, const struct tracked *step, uint64_t ordinal) {
    const struct guard *guard;

    if (step->guard == NONE32 || !sw->log.enabled) {
        return;
    }
    guard = &sw->dispatch.guards[step->guard];
    if ((guard->has & GUARD_WATCH) != 0) {
        const swarm_watch_spec *w = &guard->watch;
        uint64_t first[8] = {1,          w->idle_timeout_ns, w->lease_ns,       w->deadline_ns,
                             w->late_ns, w->tokens_expected, w->rate_min_milli, w->rate_window_ns};
        uint64_t second[8] = {2, w->size_min, w->confidence_min_ppm, w->repeat_max, w->notes};

        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, first);
        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, second);
    }
    if ((guard->has & GUARD_ASK) != 0) {
        const swarm_ask_spec *a = &guard->ask;
        uint64_t first[8] = {3,          a->timeout_ns, a->reminder_ns, a->day_ns,
                             a->open_ns, a->close_ns,   a->value};
        uint64_t second[8] = {4, a->kind, a->on_timeout};

        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, first);
        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, second);
    }
    if ((guard->has & GUARD_HEDGE) != 0) {
        const swarm_hedge_spec *h = &guard->hedge;
        uint64_t fields[8] = {5, h->after_ns, h->quantile_ppm, h->samples_min, h->share_max_ppm};

        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, fields);
    }
    if ((guard->has & GUARD_VOTE) != 0) {
        const swarm_vote_spec *v = &guard->vote;
        uint64_t fields[8] = {6,           v->count,     v->quorum, v->start,
                              v->distinct, v->tie_break, v->flags};

        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, fields);
    }
    if (guard->task != 0) {
        uint64_t fields[8] = {10, guard->task};

        swarm__log(sw, SWARM_EVENT_GUARD, step->run, ordinal, fields);
    }
    if ((guard->has & GUARD_RECOVERY) != 0) {
        swarm__recovery_log(sw, step, ordinal);
    }
}

/* ---- the step's timer */

/* What its state waits for, apart from the deadline. */
static uint64_t state_due(const swarm *sw, uint32_t tracked) {
    const struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct guard *guard = &sw->dispatch.guards[step->guard];

    switch (step->state) {
    case SWARM_STEP_READY:
        if (step->demand == NONE32) {
            return SWARM_NEVER; /* a function recovers it */
        }
        return saturating_add64(step->ready_ns, step->queue_timeout_ns);
    case SWARM_STEP_HELD:
        return swarm__ask_of(sw, tracked) != NONE32 ? swarm__ask_due(sw, tracked) : guard->wake_ns;
    default:
        return guard->wake_ns;
    }
}

void swarm__guard_arm(swarm *sw, uint32_t tracked) {
    struct dispatch *d = &sw->dispatch;
    struct tracked *step = &d->tracked[tracked];
    struct guard *guard = &d->guards[step->guard];
    uint64_t due_ns, deadline_ns;

    SWARM_ASSERT(!state_is_terminal(step->state));
    if (guard->first_ready_ns == SWARM_NEVER) {
        guard->first_ready_ns = step->ready_ns;
    }
    due_ns = state_due(sw, tracked);
    deadline_ns = guard_deadline(guard);
    due_ns = deadline_ns < due_ns ? deadline_ns : due_ns;
    if (due_ns == SWARM_NEVER) {
        timer_disarm(d, tracked);
    } else {
        timer_arm(d, tracked, due_ns, step->ordinal);
    }
}

/* The deadline goes first; what is left to the state's own timer is done by the caller. */
bool swarm__guard_timer(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    const struct guard *guard = &sw->dispatch.guards[step->guard];

    if (sw->now_ns >= guard_deadline(guard)) {
        swarm__watch_step(sw, tracked, SWARM_DETECT_DEADLINE, guard->watch.deadline_ns,
                          sw->now_ns - guard->first_ready_ns);
        return true;
    }
    if (step->state == SWARM_STEP_READY) {
        swarm__watch_step(sw, tracked, SWARM_DETECT_QUEUE, step->queue_timeout_ns,
                          sw->now_ns - step->ready_ns);
        return true;
    }
    if (step->state == SWARM_STEP_RUNNING) {
        swarm__hedge(sw, tracked, SWARM_DETECT_NONE);
        return true;
    }
    return swarm__ask_timer(sw, tracked);
}
