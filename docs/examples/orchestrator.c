/* SPDX-License-Identifier: MIT */
/*
 * orchestrator.c - a coordinator that makes its own team: an orchestrator as one would write it.
 *
 *     orchestrator --url https://api.moonshot.ai/v1 --model kimi-k2.6 --key KEY "TASK"
 *
 * A coordinator agent gets the task and two tools: create_subagent(name, instructions) and
 * assign_task(agent, task). What it calls becomes the next part of the graph:
 *
 *     coordinate -> expand => [task, task, ...] -> coordinate -> expand => ... -> its last words
 *
 * `expand` is a call step that reads the coordinator's turn. Each assignment becomes an agent step;
 * they run in parallel, except that a sub-agent does one task after the other, because it keeps a
 * NOTEBOOK: its own messages, that nobody else sees. What comes back to the coordinator is each
 * task's conclusion, as the result of its tool call. A turn without calls is the synthesis.
 *
 * --record FILE keeps all exchanges, --replay FILE runs them again without a network, in virtual
 * time. URL, model and key come from OPENAI_BASE_URL, OPENAI_MODEL and OPENAI_API_KEY when the
 * options don't say. Without any of them the record beside this file is played.
 *
 *     cc -O2 -I. docs/examples/orchestrator.c src/all.c backends/http/?*.c -pthread -o orchestrator
 *     (with TLS: -DORCHESTRATOR_TLS ... -lssl -lcrypto)
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/http/swarm_http.h"
#include "orchestrator_sockets.h"
#include "orchestrator_tape.h"
#include "swarm.h"

#define AGENTS_MAX 32
#define TASKS_MAX 128
#define ROUNDS_MAX 12
#define CALLS_MAX 64
#define TEXT_MAX 4096
#define MESSAGES_MAX 512
#define COORDINATOR 1000000u /* + round: argument of its steps; below: a task's index */

static const char TAPE[] = "docs/examples/orchestrator.tape";

static const char COORDINATOR_SAYS[] =
    "You coordinate a team. Split the task into parts that can be worked on independently. Create "
    "sub-agents with create_subagent, give them work with assign_task (several calls at once run "
    "in parallel), wait for their conclusions, ask again where they are not enough, and at the end "
    "answer the task yourself, from the conclusions.";

static const swarm_http_tool TOOLS[] = {
    {"create_subagent", "Adds a sub-agent to the team.",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"instructions\":{"
     "\"type\":"
     "\"string\"}},\"required\":[\"name\",\"instructions\"]}"},
    {"assign_task", "Gives a task to a sub-agent; its conclusion is the result.",
     "{\"type\":\"object\",\"properties\":{\"agent\":{\"type\":\"string\"},\"task\":{\"type\":"
     "\"string\"}}"
     ",\"required\":[\"agent\",\"task\"]}"},
};

struct subagent {
    char name[64];
    char instructions[TEXT_MAX];
    uint32_t last; /* its last task; SWARM_NONE: none yet */
};

struct task {
    char text[TEXT_MAX];
    swarm_step step;
    uint32_t agent;
    uint32_t before; /* the sub-agent's task before this one */
    uint32_t round;
};

/* A tool call of the coordinator's. */
struct call {
    char id[128];
    char says[256]; /* its result, when it is no task */
    uint32_t task;  /* SWARM_NONE: no task */
};

/* A turn of the coordinator's. */
struct round {
    char *turn; /* JSON, as it was received */
    size_t size;
    struct call calls[CALLS_MAX];
    uint32_t count;
};

struct team {
    swarm *sw;
    swarm_http *http;
    swarm_run run;
    swarm_function expand;
    const char *job;
    struct subagent agents[AGENTS_MAX];
    struct task tasks[TASKS_MAX];
    struct round rounds[ROUNDS_MAX];
    swarm_http_message messages[MESSAGES_MAX];
    char *conclusions[TASKS_MAX];
    char answer[1 << 16];
    uint32_t agents_count;
    uint32_t tasks_count;
    uint32_t rounds_count;
};

static const char *const coordinating[] = {"coordinate"};
static const char *const working[] = {"work"};

/* ---- What an agent is asked ---------------------------------------------------------------- */

/* What a task has come to, for the coordinator. */
static const char *conclusion(struct team *team, uint32_t number) {
    swarm_step_info info;
    size_t size;

    if (team->conclusions[number] != NULL) {
        return team->conclusions[number];
    }
    if (swarm_step_status(team->sw, team->tasks[number].step, &info) != SWARM_OK ||
        info.state != SWARM_STEP_OK) {
        return "(no conclusion: the task failed)";
    }
    size = swarm_http_json_member(info.result.bytes, info.result.size, "content", NULL, 0);
    team->conclusions[number] = size != SIZE_MAX ? calloc(1, size + 1) : NULL;
    if (team->conclusions[number] == NULL) {
        return "(no conclusion)";
    }
    swarm_http_json_member(info.result.bytes, info.result.size, "content",
                           team->conclusions[number], size);
    return team->conclusions[number];
}

static void say(struct team *team, uint32_t *count, swarm_http_message message) {
    if (*count < MESSAGES_MAX && (message.text[0] != '\0' || message.role == SWARM_HTTP_TOOL)) {
        team->messages[(*count)++] = message;
    }
}

/* The coordinator's notebook: the job, its turns, the results of its calls. */
static uint32_t coordinator_messages(struct team *team, uint32_t rounds) {
    uint32_t count = 0;

    say(team, &count, (swarm_http_message){.role = SWARM_HTTP_SYSTEM, .text = COORDINATOR_SAYS});
    say(team, &count, (swarm_http_message){.role = SWARM_HTTP_USER, .text = team->job});
    for (uint32_t i = 0; i < rounds; i++) {
        const struct round *round = &team->rounds[i];

        say(team, &count,
            (swarm_http_message){
                .role = SWARM_HTTP_TURN, .text = round->turn, .size = round->size});
        for (uint32_t j = 0; j < round->count; j++) {
            const struct call *call = &round->calls[j];

            say(team, &count,
                (swarm_http_message){.role = SWARM_HTTP_TOOL,
                                     .call = call->id,
                                     .text = call->task != SWARM_NONE ? conclusion(team, call->task)
                                                                      : call->says});
        }
    }
    return count;
}

/* A sub-agent's notebook: its instructions, its tasks and what it concluded from them. */
static uint32_t task_messages(struct team *team, uint32_t number) {
    const struct task *task = &team->tasks[number];
    uint32_t chain[TASKS_MAX], length = 0, count = 0;

    for (uint32_t at = task->before; at != SWARM_NONE; at = team->tasks[at].before) {
        chain[length++] = at;
    }
    say(team, &count,
        (swarm_http_message){.role = SWARM_HTTP_SYSTEM,
                             .text = team->agents[task->agent].instructions});
    while (length != 0) {
        length--;
        say(team, &count,
            (swarm_http_message){.role = SWARM_HTTP_USER, .text = team->tasks[chain[length]].text});
        say(team, &count,
            (swarm_http_message){.role = SWARM_HTTP_ASSISTANT,
                                 .text = conclusion(team, chain[length])});
    }
    say(team, &count, (swarm_http_message){.role = SWARM_HTTP_USER, .text = task->text});
    return count;
}

static bool prepare(void *context, swarm *sw, const swarm_request *request,
                    swarm_http_request *out_request) {
    struct team *team = context;

    (void)sw;
    out_request->messages = team->messages;
    if (request->argument >= COORDINATOR) {
        out_request->tools = TOOLS;
        out_request->tools_count = 2;
        out_request->messages_count =
            coordinator_messages(team, (uint32_t)(request->argument - COORDINATOR));
    } else {
        out_request->messages_count = task_messages(team, (uint32_t)request->argument);
    }
    return true;
}

/* ---- What the coordinator wants ------------------------------------------------------------ */

static bool member(const char *text, size_t size, const char *key, char *buffer, size_t room) {
    size_t found = swarm_http_json_member(text, size, key, buffer, room - 1);

    buffer[found < room ? found : room - 1] = '\0';
    if (found == SIZE_MAX) {
        buffer[0] = '\0';
    }
    return found != SIZE_MAX;
}

static uint32_t agent_find(const struct team *team, const char *name) {
    for (uint32_t i = 0; i < team->agents_count; i++) {
        if (strcmp(team->agents[i].name, name) == 0) {
            return i;
        }
    }
    return SWARM_NONE;
}

static void create_subagent(struct team *team, struct call *call, const char *arguments) {
    struct subagent *agent = &team->agents[team->agents_count];
    size_t size = strlen(arguments);

    if (team->agents_count == AGENTS_MAX ||
        !member(arguments, size, "name", agent->name, sizeof agent->name) ||
        agent_find(team, agent->name) != SWARM_NONE) {
        snprintf(call->says, sizeof call->says, "refused: no name, or it is taken");
        return;
    }
    member(arguments, size, "instructions", agent->instructions, sizeof agent->instructions);
    agent->last = SWARM_NONE;
    team->agents_count++;
    snprintf(call->says, sizeof call->says, "the sub-agent is ready");
}

static void assign_task(struct team *team, struct call *call, const char *arguments) {
    struct task *task = &team->tasks[team->tasks_count];
    char name[64];
    uint32_t agent;

    member(arguments, strlen(arguments), "agent", name, sizeof name);
    agent = agent_find(team, name);
    if (team->tasks_count == TASKS_MAX || agent == SWARM_NONE ||
        !member(arguments, strlen(arguments), "task", task->text, sizeof task->text)) {
        snprintf(call->says, sizeof call->says, "refused: no such sub-agent, or no task");
        return;
    }
    task->agent = agent;
    task->before = team->agents[agent].last;
    task->round = team->rounds_count - 1;
    call->task = team->tasks_count;
    team->agents[agent].last = team->tasks_count++;
}

/* One element of tool_calls. */
static void call_read(struct team *team, struct round *round, const char *text, size_t size) {
    static char function[2 * TEXT_MAX], arguments[2 * TEXT_MAX];
    struct call *call = &round->calls[round->count];
    char name[64];

    if (round->count == CALLS_MAX || !member(text, size, "id", call->id, sizeof call->id) ||
        !member(text, size, "function", function, sizeof function)) {
        return;
    }
    round->count++;
    call->task = SWARM_NONE;
    member(function, strlen(function), "name", name, sizeof name);
    member(function, strlen(function), "arguments", arguments, sizeof arguments);
    if (strcmp(name, "create_subagent") == 0) {
        create_subagent(team, call, arguments);
    } else if (strcmp(name, "assign_task") == 0) {
        assign_task(team, call, arguments);
    } else {
        snprintf(call->says, sizeof call->says, "refused: no such tool");
    }
}

/* Walks over the elements of an array of objects. */
static void calls_read(struct team *team, struct round *round, const char *array, size_t size) {
    swarm_http_json json;
    swarm_http_token token = {0};
    size_t start = 0;

    swarm_http_json_begin(&json, 0);
    for (size_t at = 0; at < size && token.kind != SWARM_HTTP_JSON_ERROR;) {
        at += swarm_http_json_next(&json, array + at, size - at, &token);
        if (token.kind == SWARM_HTTP_JSON_OBJECT) {
            start = at - 1;
            swarm_http_json_skip(&json);
        } else if (token.kind == SWARM_HTTP_JSON_SKIPPED) {
            call_read(team, round, array + start, at - start);
        }
    }
}

/* ---- The graph ----------------------------------------------------------------------------- */

static swarm_step add_coordinator(struct team *team, swarm_plan *plan, swarm_step *out_turn) {
    swarm_step_spec turn = {.skills = coordinating,
                            .skills_count = 1,
                            .argument = COORDINATOR + team->rounds_count,
                            .retry = {.attempts_max = 3, .jitter_ppm = 200000}};
    swarm_step_spec expand = {.function = team->expand, .flags = SWARM_STEP_INPUTS};
    swarm_step expansion;

    *out_turn = swarm_step_add(plan, &turn);
    expansion = swarm_step_add(plan, &expand);
    swarm_edge_add(plan, *out_turn, expansion, 0);
    return expansion;
}

/* The tasks of this round, each behind the last one of the same sub-agent. */
static void add_tasks(struct team *team, swarm_plan *plan, uint32_t first, swarm_step turn) {
    const swarm_edge_spec soft = {.kind = SWARM_EDGE_SOFT}; /* failed ones are told, not fatal */

    for (uint32_t i = first; i < team->tasks_count; i++) {
        struct task *task = &team->tasks[i];
        swarm_step_spec spec = {.skills = working,
                                .skills_count = 1,
                                .argument = i,
                                .retry = {.attempts_max = 3, .jitter_ppm = 200000},
                                .flags = SWARM_STEP_KEPT};

        task->step = swarm_step_add(plan, &spec);
        if (task->before != SWARM_NONE) {
            swarm_edge_add_with(plan, team->tasks[task->before].step, task->step, &soft);
        }
        swarm_edge_add_with(plan, task->step, turn, &soft);
    }
}

/* Reads a turn of the coordinator's and adds what it wants to the graph. */
static swarm_outcome expand(void *context, const swarm_call *call, uint64_t *out_value) {
    struct team *team = context;
    struct round *round = &team->rounds[team->rounds_count];
    uint32_t first = team->tasks_count;
    swarm_result turn;
    swarm_step next;
    char *array;
    size_t size;

    if (swarm_call_input(call, 0, &turn) != SWARM_OK || team->rounds_count + 1 == ROUNDS_MAX) {
        return SWARM_OUTCOME_TERMINAL;
    }
    size = swarm_http_json_member(turn.bytes, turn.size, "tool_calls", NULL, 0);
    if (size == SIZE_MAX) {
        member(turn.bytes, turn.size, "content", team->answer, sizeof team->answer);
        return SWARM_OUTCOME_OK;
    }
    round->turn = malloc(turn.size);
    array = malloc(size);
    if (round->turn == NULL || array == NULL) {
        free(array);
        return SWARM_OUTCOME_TERMINAL;
    }
    memcpy(round->turn, turn.bytes, turn.size);
    round->size = turn.size;
    team->rounds_count++;
    swarm_http_json_member(turn.bytes, turn.size, "tool_calls", array, size);
    calls_read(team, round, array, size);
    free(array);
    swarm_plan_continue(swarm_call_plan(call), add_coordinator(team, swarm_call_plan(call), &next));
    add_tasks(team, swarm_call_plan(call), first, next);
    *out_value = team->tasks_count - first;
    return SWARM_OUTCOME_OK;
}

/* ---- The run ------------------------------------------------------------------------------- */

struct options {
    const char *url;
    const char *model;
    const char *key;
    const char *record;
    const char *replay;
    const char *job;
    uint64_t budget;
};

static void progress(const struct team *team, bool last) {
    static uint64_t told = SWARM_NEVER;
    swarm_run_report report;

    if (swarm_run_report_get(team->sw, team->run, &report) == SWARM_OK &&
        (last || report.ok != told)) {
        told = report.ok;
        fprintf(stderr,
                "\r%u sub-agents, %u tasks, %" PRIu64 " of %" PRIu64 " steps, %" PRIu64
                " tokens out%s",
                team->agents_count, team->tasks_count, report.ok, report.steps,
                report.usage.output_tokens, last ? "\n" : "");
    }
}

/* By the clock: passes of the driver, and a sleep in poll(2) between them. */
static swarm_status drive_live(const struct team *team, const struct sockets *sockets) {
    swarm_drive_options pass = {.flags = SWARM_DRIVE_INSTANT};
    swarm_status status = SWARM_E_AGAIN;

    while (status == SWARM_E_AGAIN) {
        status = swarm_drive(team->sw, &pass);
        progress(team, false);
        sockets_wait(sockets, 20);
    }
    progress(team, true);
    return status;
}

static swarm_status plan_first(struct team *team, uint64_t budget_tokens, swarm_step *out_result) {
    swarm_budget_spec limit = {
        .name = "job", .limit = {.output_tokens = budget_tokens}, .policy = SWARM_BUDGET_STOP};
    swarm_charge_spec charge = {.budget = swarm_budget_add(team->sw, &limit),
                                .reserve = {.output_tokens = 2000}};
    swarm_run_spec growing = {.flags = SWARM_RUN_GROWING, .charge = &charge};
    swarm_plan *plan;
    swarm_step turn;
    swarm_status status;

    team->run = swarm_run_open(team->sw, &growing);
    plan = swarm_plan_open(team->sw, team->run);
    *out_result = add_coordinator(team, plan, &turn);
    status = swarm_plan_commit(plan, NULL);
    return status == SWARM_OK ? swarm_run_close(team->sw, team->run) : status;
}

static void print_report(struct team *team) {
    swarm_run_report report;

    printf("%s\n\n", team->answer);
    for (uint32_t i = 0; i < team->tasks_count; i++) {
        printf("task %u, round %u, %s: %.60s\n", i + 1, team->tasks[i].round + 1,
               team->agents[team->tasks[i].agent].name, team->tasks[i].text);
    }
    if (swarm_run_report_get(team->sw, team->run, &report) == SWARM_OK) {
        printf("%u sub-agents, %u tasks, %" PRIu64 " steps, %" PRIu64 " attempts, %" PRIu64
               " ms; tokens: %" PRIu64 " in (%" PRIu64 " cached), %" PRIu64 " out\n",
               team->agents_count, team->tasks_count, report.ok, report.attempts,
               (report.end_ns - report.start_ns) / 1000000, report.usage.input_tokens,
               report.usage.cached_tokens, report.usage.output_tokens);
    }
}

static void add_agents(struct team *team, swarm_backend_id remote) {
    swarm_profile_spec lead = {
        .name = "coordinator", .backend = remote, .skills = coordinating, .skills_count = 1};
    swarm_profile_spec worker = {
        .name = "worker", .backend = remote, .skills = working, .skills_count = 1};

    swarm_agent_add(team->sw, swarm_profile_add(team->sw, &lead), 1);
    swarm_agent_add(team->sw, swarm_profile_add(team->sw, &worker), AGENTS_MAX);
}

static int run(struct team *team, const struct options *options, const struct sockets *sockets) {
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_step_info info = {0};
    swarm_step result;
    swarm_status status = swarm_new(&config, &team->sw);

    if (status == SWARM_OK && sockets != NULL) {
        status = swarm_drive(team->sw, NULL); /* nothing to do yet: the clock's time is known */
    }
    if (status == SWARM_OK) {
        add_agents(team, swarm_backend_add(team->sw, swarm_http_backend(team->http)));
        team->expand = swarm_function_add(team->sw, "expand", expand, team);
        status = plan_first(team, options->budget, &result);
    }
    if (status == SWARM_OK) {
        status = sockets != NULL ? drive_live(team, sockets) : swarm_sim_drive(team->sw, NULL);
    }
    if (status == SWARM_OK) {
        status = swarm_step_status(team->sw, result, &info);
    }
    if (status == SWARM_OK && info.state == SWARM_STEP_OK) {
        print_report(team);
    } else {
        fprintf(stderr, "orchestrator: %s\n",
                swarm_status_text(status != SWARM_OK ? status : info.reason));
    }
    swarm_http_close(team->http);
    swarm_free(team->sw);
    return status == SWARM_OK && info.state == SWARM_STEP_OK ? 0 : 1;
}

/* ---- Options ------------------------------------------------------------------------------- */

static void usage(void) {
    fprintf(stderr, "usage: orchestrator [--url URL] [--model NAME] [--key KEY] [--budget TOKENS]\n"
                    "                    [--record FILE | --replay FILE] [TASK]\n");
    exit(2);
}

/* A variable of the environment; empty ones say nothing. */
static const char *said(const char *name) {
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static struct options options_read(int count, char **arguments) {
    struct options options = {.url = said("OPENAI_BASE_URL"),
                              .model = said("OPENAI_MODEL"),
                              .key = said("OPENAI_API_KEY"),
                              .budget = 200000,
                              .job = "Compare the three ways to keep a cache consistent."};
    const char **texts[] = {&options.url, &options.model, &options.key, &options.record,
                            &options.replay};
    static const char *const NAMES[] = {"--url", "--model", "--key", "--record", "--replay"};

    for (int i = 1; i < count; i++) {
        bool taken = false;

        for (uint32_t j = 0; j < 5 && i + 1 < count && !taken; j++) {
            if (strcmp(arguments[i], NAMES[j]) == 0) {
                *texts[j] = arguments[++i];
                taken = true;
            }
        }
        if (!taken && strcmp(arguments[i], "--budget") == 0 && i + 1 < count) {
            options.budget = strtoull(arguments[++i], NULL, 10);
        } else if (!taken && arguments[i][0] == '-') {
            usage();
        } else if (!taken) {
            options.job = arguments[i];
        }
    }
    options.replay = options.url == NULL && options.replay == NULL ? TAPE : options.replay;
    options.model = options.model == NULL || options.replay == TAPE ? "kimi-k2.6" : options.model;
    return options;
}

/* Splits https://host[:port]/base; false when it is no such address. */
static bool url_read(const char *url, bool *out_tls, char *host, char *path) {
    const char *rest = strstr(url, "://"), *slash;
    int size;

    *out_tls = strncmp(url, "https://", 8) == 0;
    if (rest == NULL || (!*out_tls && strncmp(url, "http://", 7) != 0)) {
        return false;
    }
    rest += 3;
    slash = strchr(rest, '/');
    size = slash != NULL ? (int)(slash - rest) : (int)strlen(rest);
    snprintf(host, 256, "%.*s", size, rest);
    snprintf(path, 256, "%s/chat/completions", slash != NULL ? slash : "/v1");
    return size > 0 && size < 256;
}

/* The transport that the options ask for; false when it can't be had. */
static bool transport_begin(const struct options *options, struct sockets *sockets,
                            struct tape *tape, bool tls, swarm_http_transport *out_transport) {
#ifndef ORCHESTRATOR_TLS
    if (tls && options->replay == NULL) {
        fprintf(stderr, "orchestrator: built without TLS\n");
        return false;
    }
#endif
    if (options->replay != NULL) {
        return tape_replay(tape, options->replay, out_transport);
    }
    *out_transport = sockets_begin(sockets, tls);
    return options->record == NULL || tape_record(tape, options->record, out_transport);
}

int main(int count, char **arguments) {
    static struct team team;
    static struct sockets sockets;
    static struct tape tape;
    struct options options = options_read(count, arguments);
    char host[256] = "replay", path[256] = "/v1/chat/completions";
    swarm_http_transport transport;
    swarm_http_spec spec = {.size = sizeof spec,
                            .transport = &transport,
                            .host = host,
                            .path = path,
                            .key = options.key,
                            .model = options.model,
                            .context = &team,
                            .prepare = prepare,
                            .inflight_max = AGENTS_MAX + 1};
    size_t size = 0;
    void *memory = NULL;
    bool tls = false;
    int code = 1;

    team.job = options.job;
    if (options.replay == NULL && !url_read(options.url, &tls, host, path)) {
        usage();
    }
    if (transport_begin(&options, &sockets, &tape, tls, &transport)) {
        size = swarm_http_size(&spec);
        memory = malloc(size);
        team.http = swarm_http_new(&spec, memory, size);
    }
    if (team.http != NULL) {
        code = run(&team, &options, options.replay == NULL ? &sockets : NULL);
    } else {
        fprintf(stderr, "orchestrator: can't read or write the record, or no memory\n");
    }
    for (uint32_t i = 0; i < TASKS_MAX; i++) {
        free(team.conclusions[i]);
    }
    for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
        free(team.rounds[i].turn);
    }
    tape_end(&tape);
    free(memory);
    return code;
}
