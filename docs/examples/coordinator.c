/* SPDX-License-Identifier: MIT */
/*
 * coordinator.c - an agent plans, others work, the plan is changed by what they find.
 *
 *     coordinate -> expand => [research, research, ...] -> review -> react => [more] -> synthesis
 *
 * swarm never plans. The coordinator is an ordinary agent step; what it says is text; `expand` is a
 * call step of ours that reads the text and adds one agent step a line. `react` does the same with
 * the reviewer's verdict. Each makes its successor its continuation, so that whoever waits for
 * `expand` waits for the synthesis, and reads it as the output of `expand`.
 * The agents are simulated: `say` below plays all of them, in virtual time.
 *
 *     cc -O2 -I. docs/examples/coordinator.c src/all.c backends/mock/mock.c -pthread \
 *        -o coordinator && ./coordinator
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/mock/swarm_mock.h"
#include "swarm.h"

#define LINES_MAX 8
#define LINE_SIZE 64

struct project {
    swarm *sw;
    swarm_function expand, react;
    char lines[LINES_MAX][LINE_SIZE]; /* payloads are borrowed, so they live here */
    swarm_step notes[LINES_MAX];
    uint32_t count;
};

static const char *const planning[] = {"planning"};
static const char *const research[] = {"research"};

/* ---- The orchestrator ---------------------------------------------------------------------- */

/* Adds one agent step for each line of text; the synthesis will want their notes, so they are kept.
 * Returns how many were added. */
static uint32_t add_research(struct project *project, swarm_plan *plan, const swarm_result *text) {
    const char *at = text->bytes, *end = at + text->size;
    uint32_t first = project->count;

    while (at < end && project->count < LINES_MAX) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop != NULL ? stop : end) - at);
        char *line = project->lines[project->count];
        swarm_step_spec spec = {.payload = line,
                                .payload_size = size < LINE_SIZE ? size : LINE_SIZE,
                                .skills = research,
                                .skills_count = 1,
                                .retry = {.attempts_max = 3},
                                .flags = SWARM_STEP_KEPT};

        memcpy(line, at, spec.payload_size);
        project->notes[project->count++] = swarm_step_add(plan, &spec);
        at = stop != NULL ? stop + 1 : end;
    }
    return project->count - first;
}

/* Adds a planning step that reads every note there is. */
static swarm_step add_reader(struct project *project, swarm_plan *plan, const char *task) {
    swarm_step_spec spec = {.payload = task,
                            .payload_size = strlen(task),
                            .skills = planning,
                            .skills_count = 1,
                            .flags = SWARM_STEP_INPUTS};
    swarm_step reader = swarm_step_add(plan, &spec);

    for (uint32_t i = 0; i < project->count; i++) {
        swarm_edge_add(plan, project->notes[i], reader, 0);
    }
    return reader;
}

static swarm_outcome expand(void *context, const swarm_call *call, uint64_t *out_value) {
    struct project *project = context;
    swarm_step_spec spec = {.function = project->react, .flags = SWARM_STEP_INPUTS};
    swarm_plan *plan = swarm_call_plan(call);
    swarm_result text;

    if (swarm_call_input(call, 0, &text) != SWARM_OK) {
        return SWARM_OUTCOME_TERMINAL;
    }
    *out_value = add_research(project, plan, &text);
    swarm_step review = add_reader(project, plan, "review");
    swarm_step reaction = swarm_step_add(plan, &spec);
    swarm_edge_add(plan, review, reaction, 0);
    swarm_plan_continue(plan, reaction);
    return SWARM_OUTCOME_OK;
}

static swarm_outcome react(void *context, const swarm_call *call, uint64_t *out_value) {
    struct project *project = context;
    swarm_plan *plan = swarm_call_plan(call);
    swarm_result verdict;

    if (swarm_call_input(call, 0, &verdict) != SWARM_OK) {
        return SWARM_OUTCOME_TERMINAL;
    }
    *out_value = add_research(project, plan, &verdict); /* one more wave, or nothing */
    swarm_plan_continue(plan, add_reader(project, plan, "synthesis"));
    return SWARM_OUTCOME_OK;
}

/* ---- The simulated agents ------------------------------------------------------------------ */

static const char *words(const swarm_request *request) {
    const char *task = request->payload;

    switch (task[0]) {
    case 'p': /* plan */
        return "search papers\nsearch code\nsearch issues";
    case 'r': /* review: one wave of feedback */
        return "search code again";
    default:
        return "a report";
    }
}

static swarm_outcome say(void *context, const swarm_request *request, swarm_result *out_result) {
    const char *text = words(request);

    (void)context;
    printf("step %" PRIu64 " %.*s, %u notes\n", request->ordinal, (int)request->payload_size,
           (const char *)request->payload, request->inputs);
    out_result->bytes = text;
    out_result->size = strlen(text);
    return SWARM_OUTCOME_OK;
}

static void add_agents(swarm *sw, swarm_backend_id backend) {
    swarm_profile_spec planner = {
        .name = "planner", .backend = backend, .skills = planning, .skills_count = 1};
    swarm_profile_spec researcher = {
        .name = "researcher", .backend = backend, .skills = research, .skills_count = 1};

    swarm_agent_add(sw, swarm_profile_add(sw, &planner), 1);
    swarm_agent_add(sw, swarm_profile_add(sw, &researcher), 2);
}

/* ---- The run ------------------------------------------------------------------------------- */

static swarm_status drive(struct project *project, swarm_step_info *out_info) {
    const char *task = "plan the survey";
    swarm_step_spec coordinate = {
        .payload = task, .payload_size = strlen(task), .skills = planning, .skills_count = 1};
    swarm_step_spec expansion = {.function = project->expand, .flags = SWARM_STEP_INPUTS};
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING};
    swarm_run run = swarm_run_open(project->sw, &growing);
    swarm_plan *plan = swarm_plan_open(project->sw, run);
    swarm_step coordinator = swarm_step_add(plan, &coordinate);
    swarm_step result = swarm_step_add(plan, &expansion);

    swarm_edge_add(plan, coordinator, result, 0);
    swarm_status status = swarm_plan_commit(plan, NULL);
    if (status == SWARM_OK) {
        status = swarm_run_close(project->sw, run);
    }
    if (status == SWARM_OK) {
        status = swarm_sim_drive(project->sw, NULL);
    }
    return status == SWARM_OK ? swarm_step_status(project->sw, result, out_info) : status;
}

int main(void) {
    static unsigned char memory[16384];
    static struct project project;
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_mock_spec mock = {.size = sizeof mock, .answer = say};
    swarm_step_info info;
    swarm_status status = swarm_new(&config, &project.sw);

    if (status == SWARM_OK) {
        project.expand = swarm_function_add(project.sw, "expand", expand, &project);
        project.react = swarm_function_add(project.sw, "react", react, &project);
        swarm_mock *agents = swarm_mock_new(&mock, memory, sizeof memory);
        add_agents(project.sw, swarm_backend_add(project.sw, swarm_mock_backend(agents)));
        status = drive(&project, &info);
    }
    if (status != SWARM_OK) {
        fprintf(stderr, "coordinator: %s\n", swarm_status_text(status));
        return 1;
    }
    printf("after %" PRIu64 " s: %.*s\n", info.end_ns / 1000000000, (int)info.result.size,
           (const char *)info.result.bytes);
    return swarm_free(project.sw) != SWARM_OK;
}
