/* SPDX-License-Identifier: MIT */
/*
 * approval.c - people in the plan: a step that is a question, and an agent that asks one.
 *
 *     build --> approve --> ship          the release
 *     notes                               beside it: it goes on while somebody thinks
 *
 * `approve` is a question and needs no agent. `build` pauses once, because it wants to know a
 * version number: the answer is its result, and it is not executed again. Neither holds an agent
 * while it waits, so one agent is enough for all. The questions leave through `ask`, with a token
 * that could as well be mailed; nobody is at the desk on the first evening, and the drive returns
 * PAUSED. The next morning the tokens are answered, one of them twice. `ship` asks for a second
 * approval, which nobody gives: its time runs out, and the plan goes on without it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "swarm.h"

#include "backends/mock/swarm_mock.h"

#define HOUR (UINT64_C(3600) * 1000000000)

enum { BUILD, APPROVE, SHIP, LAUNCH, NOTES, STEPS };

static const char *const names[] = {"build", "approve", "ship", "launch", "notes"};

/* What lies on the desk. */
struct desk {
    swarm_token tokens[STEPS];
    uint32_t letters;
};

static void ask(void *context, swarm *sw, const swarm_request *request) {
    struct desk *desk = context;

    (void)sw;
    if (request->kind == SWARM_REQUEST_ASK) { /* a RELEASE: our answers lend no bytes */
        printf("%s asks: %.*s%s\n", names[request->ordinal], (int)request->payload_size,
               (const char *)request->payload, request->asked > 1 ? " (reminder)" : "");
        desk->tokens[request->ordinal] = request->token;
        desk->letters++;
    }
}

static const char *answer(swarm *sw, const struct desk *desk, int step, uint64_t value) {
    const swarm_result result = {.value = value};

    switch (swarm_answer(sw, desk->tokens[step], SWARM_OUTCOME_OK, &result)) {
    case SWARM_OK:
        return "taken";
    case SWARM_E_DUPLICATE:
        return "already answered";
    default:
        return "no longer asked";
    }
}

/* The agent of `build` has a question; all others just work. */
static swarm_outcome work(void *context, const swarm_request *request, swarm_result *out_result) {
    static const char question[] = "which version?";

    (void)context;
    if (request->ordinal != BUILD) {
        return SWARM_OUTCOME_OK;
    }
    *out_result = (swarm_result){.bytes = question, .size = sizeof question - 1};
    return SWARM_OUTCOME_PAUSE;
}

static swarm_status plan_steps(swarm *sw, swarm_run run, swarm_step *steps) {
    const swarm_ask_spec approve = {.kind = SWARM_ASK_APPROVE, .reminder_ns = 12 * HOUR};
    /* Between nine and five, and then it is launched at noon by itself. */
    const swarm_ask_spec launch = {.kind = SWARM_ASK_APPROVE,
                                   .timeout_ns = 4 * HOUR,
                                   .open_ns = 9 * HOUR,
                                   .close_ns = 17 * HOUR,
                                   .on_timeout = SWARM_ASK_VALUE,
                                   .value = 12};
    swarm_plan *plan = swarm_plan_open(sw, run);
    swarm_step_spec specs[STEPS] = {
        [APPROVE] = {.ask = &approve, .payload = "ship it?", .payload_size = 8},
        [LAUNCH] = {.ask = &launch, .payload = "when?", .payload_size = 5}};

    for (int i = 0; i < STEPS; i++) {
        steps[i] = swarm_step_add(plan, &specs[i]);
    }
    swarm_edge_add(plan, steps[BUILD], steps[APPROVE], 0);
    swarm_edge_add(plan, steps[APPROVE], steps[SHIP], 0);
    swarm_edge_add(plan, steps[SHIP], steps[LAUNCH], 0);
    return swarm_plan_commit(plan, NULL);
}

static swarm *set_up(void) {
    static unsigned char memory[8192];
    const swarm_mock_spec spec = {.size = sizeof spec, .answer = work};
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_profile_spec worker = {.name = "worker"};
    swarm *sw = NULL;

    if (swarm_new(&config, &sw) == SWARM_OK) {
        worker.backend =
            swarm_backend_add(sw, swarm_mock_backend(swarm_mock_new(&spec, memory, sizeof memory)));
        swarm_agent_add(sw, swarm_profile_add(sw, &worker), 1);
    }
    return sw;
}

/* Until a time of the first day, in hours; in virtual time. */
static swarm_status until(swarm *sw, struct desk *desk, uint64_t hour) {
    const swarm_drive_options options = {.until_ns = hour * HOUR, .ask = ask, .ask_context = desk};

    return swarm_sim_drive(sw, &options);
}

int main(void) {
    struct desk desk = {.letters = 0};
    swarm_step steps[STEPS];
    swarm_step_info info;
    swarm_run_report report;
    swarm *sw = set_up();
    swarm_run run = swarm_run_open(sw, NULL);
    swarm_status status = plan_steps(sw, run, steps);

    if (status == SWARM_OK) {
        status = until(sw, &desk, 1);
    }
    printf("evening: %s\n", status == SWARM_E_PAUSED ? "PAUSED" : swarm_status_text(status));
    printf("version: %s\n", answer(sw, &desk, BUILD, 7));
    status = until(sw, &desk, 20); /* a reminder after twelve hours */
    printf("approval: %s\n", answer(sw, &desk, APPROVE, 1));
    printf("approval, once more: %s\n", answer(sw, &desk, APPROVE, 0));
    status = until(sw, &desk, 100);
    printf("launch, too late: %s\n", answer(sw, &desk, LAUNCH, 9));
    for (int i = 0; i < STEPS; i++) {
        swarm_step_status(sw, steps[i], &info);
        printf("%s: %s, value %" PRIu64 ", attempts %u, at %" PRIu64 " h\n", names[i],
               info.state == SWARM_STEP_OK ? "ok" : "not ok", info.result.value, info.attempts,
               info.end_ns / HOUR);
    }
    swarm_run_report_get(sw, run, &report);
    printf("letters: %u, answers: %" PRIu64 "\n", desk.letters, report.answers);
    return status != SWARM_OK || swarm_free(sw) != SWARM_OK;
}
