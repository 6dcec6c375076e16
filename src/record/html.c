/* SPDX-License-Identifier: MIT */
/*
 * html.c - a run as one page that opens without a network: a summary in text, then what a script
 * draws from arrays of numbers. The page itself is in page.h.
 *
 * Times are whole microseconds since the run began. Rows of an array have no names: the script says
 * what stands where.
 */
#include "page.h"
#include "view.h"

#define NOTES_MAX 2000u

static void page_list(struct view *view, const char *name) {
    swarm__view_text(view, name);
    view->more = false;
}

/* One row of numbers. */
static void page_row(struct view *view, const uint64_t *numbers, uint32_t count) {
    swarm__view_item(view);
    swarm__view_text(view, "[");
    for (uint32_t i = 0; i < count; i++) {
        swarm__view_text(view, i == 0 ? "" : ",");
        swarm__view_number(view, numbers[i]);
    }
    swarm__view_text(view, "]\n");
}

#define ROW(view, ...)                                                                             \
    page_row(view, (const uint64_t[]){__VA_ARGS__},                                                \
             sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static uint64_t page_time(const swarm_trace *trace, uint64_t now_ns) {
    return now_ns < trace->start_ns ? 0 : (now_ns - trace->start_ns) / 1000;
}

static void put_names(struct view *view) {
    const swarm_trace *trace = view->trace;

    page_list(view, "names:{");
    for (uint32_t v = 0; v < trace->step_count && view->spec->step_name != NULL; v++) {
        const char *name = swarm__view_step_name(view, v);

        if (name != NULL) {
            swarm__view_item(view);
            swarm__view_number(view, v);
            swarm__view_text(view, ":\"");
            swarm__view_json(view, name);
            swarm__view_text(view, "\"");
        }
    }
    page_list(view, "},\nagentNames:{");
    for (uint32_t a = 0; a < trace->agent_count && view->spec->agent_name != NULL; a++) {
        const char *name = swarm__view_agent_name(view, a);

        if (name != NULL) {
            swarm__view_item(view);
            swarm__view_number(view, trace->agents[a].id);
            swarm__view_text(view, ":\"");
            swarm__view_json(view, name);
            swarm__view_text(view, "\"");
        }
    }
    swarm__view_text(view, "},\n");
}

static void page_steps(struct view *view) {
    const swarm_trace *trace = view->trace;

    page_list(view, "steps:[");
    for (uint32_t v = 0; v < trace->step_count; v++) {
        const struct trace_step *step = &trace->steps[v];
        bool over = step->state >= SWARM_STEP_OK;

        ROW(view, step->ordinal, step->state, step->is_call,
            step->cause == NONE32 ? 0 : step->cause + UINT64_C(1), step->queued_ns / 1000,
            step->backoff_ns / 1000, step->running_ns / 1000, page_time(trace, step->added_ns),
            page_time(trace, over ? step->end_ns : trace->end_ns), step->attempts);
    }
    page_list(view, "],\nwon:[");
    for (uint32_t v = 0; v < trace->step_count; v++) {
        swarm__view_item(view);
        if (trace->steps[v].winner == NONE32) {
            swarm__view_text(view, "-1");
        } else {
            swarm__view_number(view, trace->steps[v].winner);
        }
    }
    page_list(view, "],\nchain:[");
    for (uint32_t i = 0; i < trace->chain_count; i++) {
        swarm__view_item(view);
        swarm__view_number(view, trace->chain[i]);
    }
    swarm__view_text(view, "],\n");
}

/* How it is coloured: 0 won, 1 failed, 2 given up, 3 called off, 4 still running, 5 lost a vote. */
static uint64_t page_kind(const struct trace_attempt *attempt) {
    if (attempt->wins || attempt->again) {
        return 0;
    }
    if (attempt->state == ATTEMPT_RUNNING) {
        return 4;
    }
    if (attempt->state == ATTEMPT_GIVEN_UP) {
        return attempt->counts ? 2 : 3;
    }
    if (attempt->outcome == SWARM_OUTCOME_OK) {
        return 5;
    }
    return attempt->counts ? 1 : 3;
}

static void page_attempts(struct view *view) {
    const swarm_trace *trace = view->trace;

    page_list(view, "attempts:[");
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        const struct trace_attempt *attempt = &trace->attempts[i];
        const struct trace_agent *agent = &trace->agents[attempt->agent];

        ROW(view, attempt->step, agent->lane_first + attempt->lane,
            page_time(trace, attempt->start_ns), page_time(trace, attempt->freed_ns),
            page_kind(attempt), agent->id, (attempt->start_ns - attempt->ready_ns) / 1000);
    }
    page_list(view, "],\nagents:[");
    for (uint32_t a = 0; a < trace->agent_count; a++) {
        const struct trace_agent *agent = &trace->agents[a];

        ROW(view, agent->id, agent->profile, agent->lanes, agent->lane_first,
            agent->metrics.attempts, agent->metrics.work_ns / 1000, agent->metrics.busy_ppm,
            agent->metrics.share_ppm);
    }
    swarm__view_text(view, "],\n");
}

static void put_notes(struct view *view) {
    const swarm_trace *trace = view->trace;

    page_list(view, "notes:[");
    for (uint32_t i = 0; i < trace->note_count && i < NOTES_MAX; i++) {
        const struct trace_note *note = &trace->notes[i];

        swarm__view_item(view);
        swarm__view_text(view, "[");
        swarm__view_number(view, page_time(trace, note->now_ns));
        swarm__view_text(view, ",\"");
        swarm__view_text(view, swarm_event_text(note->kind));
        swarm__view_text(view, note->step == NONE32 ? "\",-1" : "\",");
        if (note->step != NONE32) {
            swarm__view_number(view, note->step);
        }
        for (uint32_t k = 0; k < 4; k++) {
            swarm__view_text(view, ",\""); /* as text: they may exceed what a number holds */
            swarm__view_number(view, note->field[k]);
            swarm__view_text(view, "\"");
        }
        swarm__view_text(view, "]\n");
    }
    page_list(view, "],\nstates:[");
    for (uint32_t state = 0; state <= SWARM_STEP_BUDGET; state++) {
        swarm__view_item(view);
        swarm__view_text(view, "\"");
        swarm__view_text(view, swarm_step_state_text(state));
        swarm__view_text(view, "\"");
    }
    page_list(view, "],\nmoney:[");
    for (uint32_t i = 0; i < trace->money_count; i++) {
        ROW(view, page_time(trace, trace->money[i].now_ns), trace->money[i].reserved_nano / 1000,
            trace->money[i].spent_nano / 1000);
    }
    swarm__view_text(view, "],\n");
}

static void put_metric(struct view *view, const char *name, uint64_t value) {
    swarm__view_item(view);
    swarm__view_text(view, name);
    swarm__view_text(view, ":");
    swarm__view_number(view, value);
}

static void put_metrics(struct view *view) {
    const swarm_metrics *m = &view->trace->metrics;

    page_list(view, "metrics:{");
    put_metric(view, "work_ns", m->work_ns);
    put_metric(view, "waste_ns", m->waste_ns);
    put_metric(view, "possible_ppm", m->possible_ppm);
    put_metric(view, "achieved_ppm", m->achieved_ppm);
    put_metric(view, "utilisation_ppm", m->utilisation_ppm);
    put_metric(view, "collapse_ppm", m->collapse_ppm);
    put_metric(view, "spurious_ppm", m->spurious_ppm);
    swarm__view_text(view, "}};\n");
}

static void page_tile(struct view *view, const char *what) {
    swarm__view_text(view, "</b><span>");
    swarm__view_text(view, what);
    swarm__view_text(view, "</span></div>\n");
}

static void put_tiles(struct view *view) {
    const swarm_metrics *m = &view->trace->metrics;

    swarm__view_text(view, "<div class=\"tiles\"><div class=\"tile\"><b>");
    swarm__view_seconds(view, m->makespan_ns);
    page_tile(view, "from the first plan to the last end");
    swarm__view_text(view, "<div class=\"tile\"><b>");
    swarm__view_number(view, m->ok);
    swarm__view_text(view, " / ");
    swarm__view_number(view, m->steps);
    page_tile(view, "steps that ended ok");
    swarm__view_text(view, "<div class=\"tile\"><b>");
    swarm__view_number(view, m->agents);
    page_tile(view, "agents");
    swarm__view_text(view, "<div class=\"tile\"><b>");
    swarm__view_number(view, m->achieved_ppm / 1000000);
    swarm__view_text(view, ".");
    swarm__view_digits(view, m->achieved_ppm / 100000 % 10, 1);
    page_tile(view, "of them at work on average");
    swarm__view_text(view, "<div class=\"tile\"><b>");
    swarm__view_number(view, m->span_steps);
    page_tile(view, "critical steps");
    swarm__view_text(view, "<div class=\"tile\"><b>");
    swarm__view_number(view, m->retries);
    page_tile(view, "retries");
    swarm__view_text(view, "<div class=\"tile\"><b>$");
    swarm__view_number(view, m->usage.cost_nano / 1000000000);
    swarm__view_text(view, ".");
    swarm__view_digits(view, m->usage.cost_nano / 10000000 % 100, 2);
    page_tile(view, "spent");
    swarm__view_text(view, "</div>\n");
}

void swarm__view_html(struct view *view) {
    const char *title = view->spec->title == NULL ? "swarm run" : view->spec->title;

    swarm__view_text(view, page_head);
    swarm__view_text(view, "<h1>");
    swarm__view_markup(view, title);
    swarm__view_text(view, "</h1>\n<p class=\"sub\">Everything here is read out of the run's event "
                           "log.</p>\n");
    put_tiles(view);
    swarm__view_text(view, "<section class=\"card\"><h2>Summary</h2><pre id=\"summary\">");
    swarm__view_summary(view);
    swarm__view_text(view, "</pre></section>\n");
    swarm__view_text(view, page_body);
    swarm__view_text(view, "<script>\nconst D={end:");
    swarm__view_number(view, view->trace->metrics.makespan_ns / 1000);
    swarm__view_text(view, ",lanes:");
    swarm__view_number(view, view->trace->lane_count);
    swarm__view_text(view, ",\n");
    put_names(view);
    page_steps(view);
    page_attempts(view);
    put_notes(view);
    put_metrics(view);
    swarm__view_text(view, page_script_1);
    swarm__view_text(view, page_script_2);
    swarm__view_text(view, page_script_3);
    swarm__view_text(view, "</script></body></html>\n");
}
