/* SPDX-License-Identifier: MIT */
/*
 * summary.c - a run in a screen of text.
 */
#include "view.h"

static void say_label(struct view *view, const char *text) {
    uint32_t column = 0;

    swarm__view_text(view, "  ");
    swarm__view_text(view, text);
    while (text[column] != '\0') {
        column++;
    }
    for (; column < 20; column++) {
        swarm__view_text(view, " ");
    }
}

static void say_number(struct view *view, uint64_t value, const char *unit) {
    swarm__view_number(view, value);
    swarm__view_text(view, unit);
}

static void say_seconds(struct view *view, uint64_t ns, const char *what) {
    swarm__view_seconds(view, ns);
    swarm__view_text(view, what);
}

static void say_percent(struct view *view, uint64_t ppm, const char *what) {
    swarm__view_percent(view, ppm);
    swarm__view_text(view, what);
}

/* Millionths as a number with one digit behind the point. */
static void say_times(struct view *view, uint64_t ppm, const char *what) {
    swarm__view_number(view, ppm / 1000000);
    swarm__view_text(view, ".");
    swarm__view_digits(view, ppm / 100000 % 10, 1);
    swarm__view_text(view, what);
}

static void say_time(struct view *view, const swarm_metrics *m) {
    say_label(view, "makespan");
    say_seconds(view, m->makespan_ns, "\n");
    say_label(view, "work");
    say_seconds(view, m->work_ns, " of agents' time, ");
    say_number(view, m->work_steps, " steps\n");
    say_label(view, "critical path");
    say_seconds(view, m->span_ns, ", ");
    say_number(view, m->span_steps, " steps; by stages ");
    say_number(view, m->staged_steps, "\n");
    say_label(view, "parallelism");
    say_times(view, m->achieved_ppm, " achieved, ");
    say_times(view, m->possible_ppm, " possible, ");
    say_number(view, m->running_most, " attempts at most\n");
    say_label(view, "queue");
    say_seconds(view, m->queue_p50_ns, " in the middle, ");
    say_seconds(view, m->queue_p99_ns, " for one in a hundred\n");
}

static void say_quality(struct view *view, const swarm_metrics *m) {
    say_label(view, "agents");
    say_number(view, m->agents, ", used ");
    say_percent(view, m->utilisation_ppm, "; the busiest did ");
    say_percent(view, m->busiest_ppm, " of the work\n");
    say_label(view, "serial collapse");
    say_percent(view, m->collapse_ppm,
                m->collapse_ppm >= 500000 ? ": one agent did it all\n" : "\n");
    say_label(view, "fake parallelism");
    say_percent(view, m->spurious_ppm, "; unused steps ");
    say_number(view, m->unused, ", redundant edges ");
    if (m->redundant_edges == SWARM_NEVER) {
        swarm__view_text(view, "not counted\n");
    } else {
        say_number(view, m->redundant_edges, "\n");
    }
    say_label(view, "attempts");
    say_number(view, m->attempts, ", retries ");
    say_number(view, m->retries, ", of these by another agent ");
    say_number(view, m->reassigned, "\n");
    say_label(view, "wasted");
    say_seconds(view, m->waste_ns, ": called off ");
    say_seconds(view, m->waste_cancelled_ns, ", late ");
    say_seconds(view, m->waste_late_ns, ", failed ");
    say_seconds(view, m->waste_failed_ns, ", unread ");
    say_seconds(view, m->waste_unread_ns, "\n");
}

static void say_money(struct view *view, const swarm_metrics *m) {
    const swarm_trace *trace = view->trace;

    say_label(view, "tokens");
    say_number(view, m->usage.input_tokens, " in, ");
    say_number(view, m->usage.cached_tokens, " of them cached, ");
    say_number(view, m->usage.output_tokens, " out\n");
    say_label(view, "cost");
    say_number(view, m->usage.cost_nano / 1000000000, ".");
    swarm__view_digits(view, m->usage.cost_nano / 1000000 % 1000, 3);
    swarm__view_text(view, "\n");
    for (uint32_t i = 0; i < trace->budget_count; i++) {
        const struct trace_budget *budget = &trace->budgets[i];

        say_label(view, "budget");
        say_number(view, i + 1, ": spent ");
        say_number(view, budget->spent.cost_nano, " nano, ");
        say_number(view, budget->spent.output_tokens, " tokens out; reserved ");
        say_number(view, budget->reserved_nano, " nano");
        if (budget->limit.cost_nano != SWARM_NEVER) {
            swarm__view_text(view, " of ");
            say_number(view, budget->limit.cost_nano, "");
        }
        swarm__view_text(view, "\n");
    }
}

void swarm__view_summary(struct view *view) {
    const swarm_metrics *m = &view->trace->metrics;

    swarm__view_text(view, "run ");
    say_number(view, view->trace->run, ": ");
    say_number(view, m->steps, " steps, ");
    say_number(view, m->ok, " ok, in ");
    say_number(view, m->plans, view->trace->ended ? " plans\n" : " plans; not ended\n");
    say_time(view, m);
    say_quality(view, m);
    say_money(view, m);
}
