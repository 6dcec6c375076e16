/* SPDX-License-Identifier: MIT */
/*
 * dot.c - the executed graph for Graphviz and for Mermaid.
 *
 * What is too large is collapsed: one node an agent instead of one a step (call steps by the plan
 * that added them), then one node a plan. Mermaid refuses more than 500 edges and 50,000
 * characters, and Graphviz takes minutes for dense graphs, so a drawing is made twice: once to see
 * whether it fits.
 */
#include <string.h>

#include "view.h"

#define MERMAID_EDGES 500u
#define MERMAID_BYTES 50000u
#define NODES_MAX 2000u
#define DOT_EDGES 3u /* a node */

enum { BY_STEP, BY_AGENT, BY_PLAN, LEVELS };

struct drawing {
    struct view *view;
    uint32_t level;
    uint32_t edges;
    bool mermaid;
};

static void dot_text(const struct drawing *d, const char *dot, const char *mermaid) {
    swarm__view_text(d->view, d->mermaid ? mermaid : dot);
}

/* ---- nodes */

static uint32_t group_count(const swarm_trace *trace, uint32_t level) {
    if (level == BY_STEP) {
        return trace->step_count;
    }
    return level == BY_AGENT ? trace->agent_count + trace->plan_count : trace->plan_count;
}

static uint32_t group_of(const swarm_trace *trace, uint32_t level, uint32_t v) {
    const struct trace_step *step = &trace->steps[v];

    if (level == BY_STEP) {
        return v;
    }
    if (level == BY_AGENT) {
        return step->winner != NONE32 ? trace->attempts[step->winner].agent
                                      : trace->agent_count + step->plan;
    }
    return step->plan;
}

static void put_label(const struct drawing *d, uint32_t group, uint32_t members) {
    const swarm_trace *trace = d->view->trace;
    const char *name = NULL, *kind = "plan ";
    uint64_t number = group + UINT64_C(1);

    if (d->level == BY_STEP) {
        name = swarm__view_step_name(d->view, group);
        kind = trace->steps[group].is_call ? "call " : "step ";
        number = trace->steps[group].ordinal;
    } else if (d->level == BY_AGENT && group < trace->agent_count) {
        name = swarm__view_agent_name(d->view, group);
        kind = "agent ";
        number = trace->agents[group].id;
    } else if (d->level == BY_AGENT) {
        number -= trace->agent_count;
    }
    swarm__view_markup(d->view, name != NULL ? name : kind);
    dot_text(d, name != NULL ? " " : "", name != NULL ? " " : "");
    swarm__view_number(d->view, number);
    if (members > 1) {
        swarm__view_text(d->view, " (");
        swarm__view_number(d->view, members);
        swarm__view_text(d->view, " steps)");
    }
}

/* On the chain of causes, when each step has its own node. */
static bool on_chain(const struct drawing *d, uint32_t group) {
    const swarm_trace *trace = d->view->trace;

    for (uint32_t i = 0; i < trace->chain_count && d->level == BY_STEP; i++) {
        if (trace->chain[i] == group) {
            return true;
        }
    }
    return false;
}

static const char *node_style(const struct drawing *d, uint32_t group) {
    const struct trace_step *step = &d->view->trace->steps[d->level == BY_STEP ? group : 0];

    if (d->level != BY_STEP) {
        return "";
    }
    if (step->state != SWARM_STEP_OK) {
        return ",color=\"#d1495b\",style=dashed";
    }
    return on_chain(d, group) ? ",color=\"#e8902e\",penwidth=2" : "";
}

static void dot_node(const struct drawing *d, uint32_t group, uint32_t members) {
    dot_text(d, "  n", "  n");
    swarm__view_number(d->view, group);
    dot_text(d, " [label=\"", "[\"");
    put_label(d, group, members);
    dot_text(d, "\"", "\"]\n");
    if (!d->mermaid) {
        swarm__view_text(d->view, node_style(d, group));
        swarm__view_text(d->view, "];\n");
    }
}

/* ---- edges */

static void dot_edge(struct drawing *d, uint32_t from, uint32_t to, uint32_t count) {
    d->edges++;
    dot_text(d, "  n", "  n");
    swarm__view_number(d->view, from);
    dot_text(d, " -> n", count > 1 ? " -->|" : " --> n");
    if (count > 1 && d->mermaid) {
        swarm__view_number(d->view, count);
        swarm__view_text(d->view, "| n");
    }
    swarm__view_number(d->view, to);
    if (count > 1 && !d->mermaid) {
        swarm__view_text(d->view, " [label=");
        swarm__view_number(d->view, count);
        swarm__view_text(d->view, "]");
    }
    dot_text(d, ";\n", "\n");
}

/* How many edges lead from a group to each other one: in the scratch, one number a group. */
static void put_group_edges(struct drawing *d, uint32_t group, uint32_t groups) {
    const swarm_trace *trace = d->view->trace;
    uint32_t *count = trace->scratch;

    memset(count, 0, groups * sizeof *count);
    for (uint32_t v = 0; v < trace->step_count; v++) {
        const struct trace_step *step = &trace->steps[v];

        for (uint32_t k = 0; k < step->out_count && group_of(trace, d->level, v) == group; k++) {
            const struct trace_edge *edge = &trace->edges[trace->out[step->out_first + k]];

            count[group_of(trace, d->level, edge->to)]++;
        }
    }
    for (uint32_t to = 0; to < groups; to++) {
        if (count[to] != 0 && to != group) {
            dot_edge(d, group, to, count[to]);
        }
    }
}

/* An edge that the plan implies is drawn only where nothing else leads to the step. */
static void put_step_edges(struct drawing *d, uint32_t v) {
    const swarm_trace *trace = d->view->trace;
    const struct trace_step *step = &trace->steps[v];

    for (uint32_t i = 0; i < step->in_count; i++) {
        const struct trace_edge *edge = &trace->edges[step->in_first + i];

        if (edge->kind != TRACE_SPAWN || step->in_count == 1) {
            dot_edge(d, edge->from, v, 1);
        }
    }
}

/* ---- a drawing */

static void dot_draw(struct drawing *d) {
    const swarm_trace *trace = d->view->trace;
    uint32_t groups = group_count(trace, d->level);

    dot_text(d, "digraph run {\n  rankdir=LR;\n  node [shape=box,style=rounded];\n",
             "flowchart LR\n");
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t members = d->level == BY_STEP;

        for (uint32_t v = 0; v < trace->step_count && d->level != BY_STEP; v++) {
            members += group_of(trace, d->level, v) == g;
        }
        if (members != 0) {
            dot_node(d, g, members);
        }
    }
    for (uint32_t g = 0; g < groups; g++) {
        if (d->level == BY_STEP) {
            put_step_edges(d, g);
        } else {
            put_group_edges(d, g, groups);
        }
    }
    dot_text(d, "}\n", "");
}

static bool write_nothing(void *context, const void *bytes, size_t size) {
    (void)context;
    (void)bytes;
    (void)size;
    return true;
}

/* Whether its reader would take it: Graphviz needs minutes for what has very many edges. */
static bool drawing_fits(const struct drawing *d, uint32_t nodes_max) {
    swarm_picture_spec spec = *d->view->spec;
    struct view view = {.trace = d->view->trace, .spec = &spec};
    struct drawing trial = {.view = &view, .level = d->level, .mermaid = d->mermaid};

    spec.write = write_nothing;
    dot_draw(&trial);
    swarm__view_flush(&view);
    if (!d->mermaid) {
        return trial.edges <= DOT_EDGES * nodes_max;
    }
    return trial.edges <= MERMAID_EDGES && view.written <= MERMAID_BYTES;
}

bool swarm__view_dot(struct view *view, bool mermaid) {
    const swarm_trace *trace = view->trace;
    uint32_t most = view->spec->nodes_max == 0 ? 400 : view->spec->nodes_max;

    most = most < NODES_MAX ? most : NODES_MAX;
    for (uint32_t level = BY_STEP; level < LEVELS; level++) {
        struct drawing d = {.view = view, .level = level, .mermaid = mermaid};
        uint32_t groups = group_count(trace, level);
        bool room = groups <= trace->step_count; /* the scratch counts groups */

        if (groups <= most && room && drawing_fits(&d, most)) {
            dot_draw(&d);
            return true;
        }
    }
    return false;
}
