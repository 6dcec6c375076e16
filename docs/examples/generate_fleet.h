/* SPDX-License-Identifier: MIT */
/*
 * generate_fleet.h - the fleet of generate.c: one coordinator, then many agents that share its
 * prefix, all decoding together under the scheduler.
 */
#ifndef SWARM_EXAMPLES_GENERATE_FLEET_H
#define SWARM_EXAMPLES_GENERATE_FLEET_H

#include "generate_model.h"

struct fleet {
    swarm *sw;
    swarm_moe_prompt *prompts; /* the coordinator's, then the agents' */
    int32_t *answers;          /* new_max each */
    int32_t *marks;            /* the token that makes an agent's prompt its own */
    uint64_t ns;
};

/* The coordinator continues the prompt; each agent continues the same prompt with its own mark. */
static void fleet_prompts(const struct model *model, const struct options *options,
                          struct fleet *fleet) {
    for (uint32_t i = 0; i <= options->agents; i++) {
        fleet->marks[i] = (int32_t)(i % model->config.vocabulary);
        fleet->prompts[i] =
            (swarm_moe_prompt){.size = sizeof fleet->prompts[i],
                               .tokens = options->tokens,
                               .tokens_count = options->tokens_count,
                               .suffix = &fleet->marks[i],
                               .suffix_count = i != 0,
                               .new_max = options->new_max,
                               .flags = SWARM_MOE_GO_ON,
                               .out_tokens = fleet->answers + (size_t)i * options->new_max};
    }
}

static swarm_run fleet_plan(struct fleet *fleet, const struct options *options) {
    swarm_run run = swarm_run_open(fleet->sw, NULL);
    swarm_plan *plan = swarm_plan_open(fleet->sw, run);
    swarm_step coordinator = {0};

    for (uint32_t i = 0; i <= options->agents; i++) {
        swarm_step step =
            swarm_step_add(plan, &(swarm_step_spec){.payload = &fleet->prompts[i],
                                                    .payload_size = sizeof fleet->prompts[i],
                                                    .retry = {.attempts_max = 2}});

        if (i == 0) {
            coordinator = step;
        } else {
            swarm_edge_add(plan, coordinator, step, 0);
        }
    }
    swarm_plan_commit(plan, NULL);
    return run;
}

static void fleet_print(const struct model *model, const struct options *options,
                        const struct fleet *fleet, const swarm_run_report *report) {
    uint64_t tokens = report->usage.output_tokens;
    swarm_moe_stats stats = {0};

    swarm_moe_stats_get(model->moe, &stats);
    if (options->json) {
        printf("{\"steps\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"tokens\":[", report->steps, report->ok);
        for (uint32_t i = 0; i < options->tokens_count; i++) {
            printf("%s%" PRId32, i == 0 ? "" : ",", options->tokens[i]);
        }
        for (uint32_t i = 0; i < options->new_max; i++) {
            printf(",%" PRId32, fleet->answers[i]);
        }
        printf("],\"new_tokens\":%" PRIu64 ",\"cached_tokens\":%" PRIu64 ",\"ticks\":%" PRIu64
               ",\"rows_largest\":%" PRIu64 ",\"preempted\":%" PRIu64 ",\"ns_per_token\":%" PRIu64
               ",\"error\":null}\n",
               tokens, report->usage.cached_tokens, stats.ticks, stats.rows_largest,
               stats.preempted, tokens == 0 ? 0 : fleet->ns / tokens);
        return;
    }
    printf("%" PRIu64 " of %" PRIu64 " steps ok, %" PRIu64 " new tokens, %" PRIu64 " of %" PRIu64
           " prompt tokens cached, %" PRIu64 " ticks\n",
           report->ok, report->steps, tokens, report->usage.cached_tokens,
           report->usage.input_tokens, stats.ticks);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        swarm_moe_load load;

        if (swarm_moe_load_get(model->moe, layer, false, &load, NULL) == SWARM_OK) {
            printf("layer %" PRIu32 ": entropy %" PRIu32 " ppm, most/mean %" PRIu32
                   " ppm, dead %" PRIu32 "\n",
                   layer, load.entropy_ppm, load.most_ppm, load.dead);
        }
    }
}

static swarm_status fleet_drive(struct model *model, const struct options *options,
                                struct fleet *fleet) {
    swarm_profile_spec profile = {.name = "writer"};
    swarm_run_report report = {0};
    uint64_t start = now();
    swarm_status status;
    swarm_run run;

    profile.backend = swarm_backend_add(fleet->sw, swarm_moe_backend(model->moe));
    swarm_agent_add(fleet->sw, swarm_profile_add(fleet->sw, &profile), options->agents);
    fleet_prompts(model, options, fleet);
    run = fleet_plan(fleet, options);
    status = swarm_drive(fleet->sw, NULL);
    fleet->ns = now() - start;
    if (status == SWARM_OK) {
        status = swarm_run_report_get(fleet->sw, run, &report);
    }
    if (status == SWARM_OK && report.ok != report.steps) {
        status = SWARM_E_FAILED;
    }
    if (status == SWARM_OK) {
        fleet_print(model, options, fleet, &report);
    }
    return fail(model, status, "fleet");
}

static swarm_status run_fleet(struct model *model, const struct options *options) {
    size_t count = (size_t)options->agents + 1;
    const swarm_config config = {.size = sizeof config,
                                 .version = SWARM_VERSION,
                                 .host = swarm_host_default(),
                                 .agents_max = options->agents};
    struct fleet fleet = {.prompts = calloc(count, sizeof *fleet.prompts),
                          .answers = calloc(count * options->new_max, sizeof *fleet.answers),
                          .marks = calloc(count, sizeof *fleet.marks)};
    swarm_status status = SWARM_E_FULL;

    if (fleet.prompts != NULL && fleet.answers != NULL && fleet.marks != NULL) {
        status = swarm_new(&config, &fleet.sw);
    }
    status =
        status == SWARM_OK ? fleet_drive(model, options, &fleet) : fail(model, status, "memory");
    (void)swarm_free(fleet.sw);
    free(fleet.prompts);
    free(fleet.answers);
    free(fleet.marks);
    return status;
}

#endif
