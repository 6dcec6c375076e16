/* SPDX-License-Identifier: MIT */
/*
 * scenario_learned.h - what durations that were learned are worth to the critical path first.
 *
 * learned_fleet: recorded sessions on 64 slots. Without estimates those go first that have done the
 * fewest steps. Then two runs of the same sessions in one swarm, whose steps have the session as
 * their label and no estimate: the first knows the think times alone, the second what it learned.
 * learned_workflows: 86 recorded workflows on 16 agents. Before each all others of its family are
 * run, with the kinds of their tasks as labels; their means are all that is known of it.
 */
#ifndef SWARM_TESTS_SCENARIO_LEARNED_H
#define SWARM_TESTS_SCENARIO_LEARNED_H

#include "scenario.h"

enum { LEARNED_AGENTS = 16, LEARNED_STEPS = 1 << 14, LEARNED_FLOWS = 128 };
#define LEARNED_INDEX "../shared/data/index.csv"

/* ---- A swarm that keeps what it learned from run to run -------------------------------------- */

static inline bool learned_open(struct scenario *s, uint32_t agents) {
    swarm_mock_model model = {.kind = SWARM_MOCK_ARGUMENT};
    swarm_mock_spec mock = {
        .size = sizeof mock, .models = &model, .models_count = 1, .scripts_max = SWARM_NONE};
    swarm_config config = {.log_bytes = 1 << 22,
                           .steps_max = LEARNED_STEPS,
                           .tracked_max = LEARNED_STEPS,
                           .edges_max = 8 * LEARNED_STEPS};
    struct engine_need need = {&config, &mock, 1};
    if (!engine_open(&s->engine, &need, &s->error)) {
        return false;
    }
    swarm_profile_spec profile = {.name = "worker", .backend = s->engine.backend};
    swarm_agent_add(s->engine.sw, swarm_profile_add(s->engine.sw, &profile), agents);
    return true;
}

/* Runs it with labels and without estimates; forgets it, but for what was learned. */
static inline bool learned_run(struct scenario *s, const struct input_run *run,
                               const uint64_t *labels, uint64_t *makespan) {
    swarm *sw = s->engine.sw;
    swarm_run handle = swarm_run_open(sw, &(swarm_run_spec){.order = SWARM_ORDER_CRITICAL});
    swarm_plan *plan = swarm_plan_open(sw, handle);
    swarm_step *steps = array_new(run->task_count, sizeof *steps);
    swarm_run_report report = {.ok = 0};
    for (uint32_t v = 0; v < run->task_count && steps != NULL; ++v) {
        steps[v] = swarm_step_add(
            plan, &(swarm_step_spec){.argument = run->tasks[v].duration, .order_key = labels[v]});
    }
    for (uint32_t e = 0; e < run->edge_count && steps != NULL; ++e) {
        uint64_t delay = run->kind != INPUT_SESSIONS ? 0 : run->edges[e].delay;
        delay = run->kind == INPUT_SESSIONS && delay == 0 ? SWARM_ZERO : delay;
        swarm_edge_add(plan, steps[run->edges[e].from], steps[run->edges[e].to], delay);
    }
    swarm_status status = swarm_plan_commit(plan, NULL);
    status = status != SWARM_OK ? status : swarm_sim_drive(sw, NULL);
    status = status != SWARM_OK ? status : swarm_run_report_get(sw, handle, &report);
    status = status != SWARM_OK ? status : swarm_run_forget(sw, handle);
    *makespan = report.end_ns - report.start_ns;
    bool good = steps != NULL && status == SWARM_OK && report.ok == run->task_count;
    free(steps);
    return good || scenario_fail(s, status, "a run with labels");
}

/* ---- The fleet ------------------------------------------------------------------------------ */

static inline bool learned_fleet(struct scenario *s, const struct input_run *run) {
    struct run_options options = {
        .policy = POLICY_FEWEST_DONE, .seed = s->seed, .agents = FLEET_SLOTS, .workers = 1};
    struct run_result result = {.agents = FLEET_SLOTS};
    struct trace trace;
    uint64_t *labels = array_new(run->task_count, sizeof *labels), first = 0, second = 0;
    bool good = labels != NULL && run_input(&s->engine, run, &options, &result, &trace);
    if (good) {
        trace_free(&trace);
    }
    for (uint32_t v = 0; v < run->task_count && good; ++v) {
        labels[v] = run->tasks[v].trace + 1;
    }
    if (good && learned_open(s, FLEET_SLOTS)) {
        good = learned_run(s, run, labels, &first) && learned_run(s, run, labels, &second);
        engine_close(&s->engine);
    }
    free(labels);
    s->error = s->error.status == NULL ? result.error : s->error;
    scenario_add(s, "fewest_done", result.makespan);
    scenario_add(s, "learning", first);
    scenario_add(s, "learned", second);
    scenario_add(s, "lower_bound", result.lower_bound);
    return good && s->error.status == NULL;
}

static inline bool play_learned_fleet(struct scenario *s) {
    struct input_options options = {.sessions = 300, .requests = 14, .think_cap_ms = 10000};
    struct input input;
    struct input_run run;
    bool good = false;
    input_open(&input, s->input != NULL ? s->input : FLEET_FILE, &options);
    if (input_next(&input, &run)) {
        s->error = run.error;
        if (run.error.status == NULL && run.kind != INPUT_SESSIONS) {
            input_fail(&s->error, "SWARM_E_INVALID", 0, "not a file of sessions");
        }
        good = s->error.status == NULL && learned_fleet(s, &run);
        input_run_free(&run);
    }
    input_close(&input);
    return good;
}

/* ---- Workflows ------------------------------------------------------------------------------ */

struct learned_flow {
    char family[64];
    struct input input;
    struct input_run run;
    uint64_t *labels;
};

struct learned_flows {
    struct learned_flow items[LEARNED_FLOWS];
    uint32_t count;
};

/* The text behind `#` in the line of each task, digested; never 0. */
static inline void learned_labels(struct learned_flow *flow) {
    const char *at = flow->input.text;
    uint32_t line = 1;
    for (uint32_t v = 0; v < flow->run.task_count; ++v) {
        uint64_t label = 14695981039346656037u;
        for (; line < flow->run.tasks[v].line; at += *at != '\0') {
            line += *at == '\n';
        }
        while (*at != '#' && *at != '\n') {
            at += 1;
        }
        for (; *at != '\n' && at < flow->input.scan.end; at += 1) {
            label = (label ^ (unsigned char)*at) * 1099511628211u;
        }
        flow->labels[v] = label | 1;
    }
}

static inline bool learned_read(struct scenario *s, struct learned_flows *flows, const char *index,
                                const char *name) {
    struct learned_flow *flow = &flows->items[flows->count];
    char path[512];
    const char *slash = strrchr(index, '/');
    int folder = slash == NULL ? 0 : (int)(slash - index) + 1;
    snprintf(path, sizeof path, "%.*swfcommons/%s.dag", folder, index, name);
    input_open(&flow->input, path, &(struct input_options){.sessions = 0});
    bool read = input_next(&flow->input, &flow->run);
    flows->count += 1;
    if (!read || flow->run.error.status != NULL) {
        s->error = read ? flow->run.error : flow->input.error;
        return false;
    }
    flow->labels = array_new(flow->run.task_count, sizeof *flow->labels);
    if (flow->labels != NULL) {
        learned_labels(flow);
    }
    return flow->labels != NULL || input_out_of_memory(&s->error, 0);
}

/* Lines of the index: wfcommons/FAMILY,NAME,... */
static inline bool learned_read_all(struct scenario *s, struct learned_flows *flows) {
    const char *index = s->input != NULL ? s->input : LEARNED_INDEX;
    FILE *file = fopen(index, "r");
    char line[256], name[128];
    bool good =
        file != NULL || input_fail(&s->error, "SWARM_E_MISSING", 0, "no index of workflows");
    while (good && flows->count < LEARNED_FLOWS && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "wfcommons/%63[^,],%127[^,]", flows->items[flows->count].family, name) ==
            2) {
            good = learned_read(s, flows, index, name);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return good && (flows->count > 1 ||
                    input_fail(&s->error, "SWARM_E_INVALID", 0, "not an index of workflows"));
}

/* Makespan over lower bound, by what the other ones of the family taught. */
static inline bool learned_flow_run(struct scenario *s, const struct learned_flows *flows,
                                    uint32_t which, uint64_t *ratio) {
    const struct learned_flow *flow = &flows->items[which];
    struct bounds bounds;
    uint64_t makespan = 0;
    bool good = learned_open(s, LEARNED_AGENTS);
    for (uint32_t i = 0; i <= flows->count && good; ++i) {
        const struct learned_flow *other = i == flows->count ? flow : &flows->items[i];
        if (i != which && strcmp(other->family, flow->family) == 0) {
            good = learned_run(s, &other->run, other->labels, &makespan);
        }
    }
    if (good) {
        engine_close(&s->engine);
        good = bounds_of(&flow->run, LEARNED_AGENTS, &bounds) || input_out_of_memory(&s->error, 0);
    }
    *ratio = good ? ratio_ppm(makespan, bounds.lower_bound) : 0;
    return good;
}

static inline bool play_learned_workflows(struct scenario *s) {
    static struct learned_flows flows;
    uint64_t sum = 0, worst = 0;
    bool good = learned_read_all(s, &flows);
    for (uint32_t i = 0; i < flows.count && good; ++i) {
        uint64_t ratio;
        good = learned_flow_run(s, &flows, i, &ratio);
        sum += ratio;
        worst = ratio > worst ? ratio : worst;
    }
    if (good) {
        scenario_add(s, "workflows", flows.count);
        scenario_add(s, "mean_ppm", sum / flows.count);
        scenario_add(s, "worst_ppm", worst);
    }
    for (uint32_t i = 0; i < flows.count; ++i) {
        free(flows.items[i].labels);
        input_run_free(&flows.items[i].run);
        input_close(&flows.items[i].input);
    }
    return good;
}

#endif
