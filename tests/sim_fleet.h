/* SPDX-License-Identifier: MIT */
/*
 * sim_fleet.h - the backends of a simulated trial: they answer in time, late, twice, never, while
 * they are asked, from another thread, after a cancel, for attempts that nobody made, and with
 * numbers that make no sense. Of each answer it is known what the library has to say to it.
 */
#ifndef SWARM_TESTS_SIM_FLEET_H
#define SWARM_TESTS_SIM_FLEET_H

#include <pthread.h>

#include "sim_check.h"

/* ---- answering */

struct posting {
    swarm *sw;
    const swarm_completion *completion;
    swarm_status status;
};

static inline void *post_main(void *argument) {
    struct posting *posting = argument;

    posting->status = swarm_complete(posting->sw, posting->completion);
    return NULL;
}

/* By this thread, or by one that exists for nothing else. */
static inline swarm_status post(struct world *w, const swarm_completion *completion) {
    struct posting posting = {w->sw, completion, SWARM_OK};
    pthread_t thread;

    if (happens(w, FAULT_THREAD) && below(w, 8) == 7 &&
        pthread_create(&thread, NULL, post_main, &posting) == 0) {
        pthread_join(thread, NULL);
    } else {
        (void)post_main(&posting);
    }
    return posting.status;
}

/* What must be refused, whoever says it. */
static inline void answer_absurdly(struct world *w, swarm_attempt attempt) {
    static const swarm_effect effects[33];
    swarm_completion completion = {.attempt = attempt};

    switch (below(w, 6)) {
    case 0:
        completion.outcome = 99;
        break;
    case 1:
        completion.result.confidence_ppm = 1000001;
        break;
    case 2:
        completion.result.size = SWARM_NEVER;
        break;
    case 3:
        completion.effects = effects;
        completion.effects_count = 33;
        break;
    case 4:
        completion.reserved = 1;
        break;
    default:
        completion.reserved2 = NONE;
        break;
    }
    CHECK(w, swarm_complete(w->sw, &completion) == SWARM_E_INVALID, "an absurd answer was taken");
    CHECK(w, swarm_complete(w->sw, NULL) == SWARM_E_INVALID, "no answer was taken");
}

static inline bool is_in_flight(const struct world *w, swarm_attempt attempt) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        if (w->flights[i].handed && w->flights[i].attempt.id == attempt.id) {
            return true;
        }
    }
    return false;
}

/* Handles that name nothing. */
static inline void answer_nobody(struct world *w) {
    const uint64_t ids[] = {0, SWARM_NEVER, below(w, 1u << 20) << 32 | below(w, 1u << 10)};
    swarm_completion completion = {.attempt = {ids[below(w, 3)]}, .result = {.branch = 1}};

    if (w->flights_count != 0 && chance(w, 70)) {
        completion.attempt.id = w->flights[below(w, w->flights_count)].attempt.id;
        completion.attempt.id += (UINT64_C(1) + below(w, 3)) << 32;
    }
    if (!is_in_flight(w, completion.attempt)) {
        CHECK(w, swarm_complete(w->sw, &completion) != SWARM_OK, "a stale answer was taken");
        CHECK(w, swarm_progress(w->sw, completion.attempt, 1, 1, 1) != SWARM_OK,
              "a stale report was taken");
    }
}

static inline void haunt(struct world *w, swarm_attempt attempt, uint64_t due_ns) {
    if (w->ghosts_count < GHOSTS_MAX) {
        w->ghosts[w->ghosts_count++] = (struct ghost){attempt, due_ns};
    }
}

static inline swarm_outcome draw_outcome(struct world *w, const struct flight *flight) {
    static const swarm_outcome bad[] = {
        SWARM_OUTCOME_TRANSIENT, SWARM_OUTCOME_TERMINAL,  SWARM_OUTCOME_GARBAGE,
        SWARM_OUTCOME_LOST,      SWARM_OUTCOME_QUOTA,     SWARM_OUTCOME_CANCELLED,
        SWARM_OUTCOME_TIMED_OUT, SWARM_OUTCOME_TRANSIENT, SWARM_OUTCOME_PAUSE};

    if (flight->given_up && chance(w, 70)) {
        return SWARM_OUTCOME_CANCELLED;
    }
    if (happens(w, FAULT_THROTTLE)) {
        return chance(w, 50) ? SWARM_OUTCOME_REFUSED : SWARM_OUTCOME_THROTTLED;
    }
    return happens(w, FAULT_FAIL) ? bad[below(w, has(w, FEATURE_ASK) ? 9 : 8)] : SWARM_OUTCOME_OK;
}

static inline void draw_result(struct world *w, swarm_completion *completion) {
    static const char bytes[16];

    completion->result.value = below(w, 3);
    completion->result.digest = below(w, 3);
    completion->result.branch = (uint32_t)below(w, 2);
    completion->result.confidence_ppm = chance(w, 50) ? 800000 : 300000;
    completion->usage = (swarm_usage){.input_tokens = 1 + below(w, 15),
                                      .output_tokens = 1 + below(w, 15),
                                      .cost_nano = 1 + below(w, 15)};
    if (happens(w, FEATURE_LENT) && w->lent_count + 1 < LENT_MAX) {
        completion->result.bytes = bytes;
        completion->result.size = happens(w, FAULT_ABSURD) ? SWARM_NEVER : sizeof bytes;
        completion->result.release = w->lent_count;
    }
}

static inline void answer(struct world *w, struct flight *flight) {
    const struct sim_step *step = &w->runs[flight->run].steps[flight->step];
    const swarm_effect effect = {
        .key = 1 + below(w, 3), .value = w->sequence, .kind = SWARM_EFFECT_PUT};
    swarm_completion completion = {.attempt = flight->attempt};

    flight->due_ns = SWARM_NEVER;
    completion.outcome = draw_outcome(w, flight);
    draw_result(w, &completion);
    if (does_not_count(completion.outcome)) {
        completion.until_ns = chance(w, 70) ? w->now_ns + 1 + below(w, 40) : 0;
        completion.usage = (swarm_usage){0};
    }
    if (step->has_state && completion.outcome == SWARM_OUTCOME_OK) {
        completion.effects = &effect;
        completion.effects_count = 1;
    }
    if (happens(w, FAULT_ABSURD)) {
        answer_absurdly(w, flight->attempt);
    }
    CHECK(w, post(w, &completion) == SWARM_OK, "an answer was not taken");
    flight->answered = true;
    flight->outcome = completion.outcome;
    flight->result = completion.result;
    flight->usage = completion.usage;
    if (completion.result.bytes != NULL) {
        w->lent[w->lent_count++] = 1;
    }
    if (happens(w, FAULT_TWICE)) {
        CHECK(w, post(w, &completion) == SWARM_E_DUPLICATE, "an answer was taken twice");
        haunt(w, flight->attempt, w->now_ns + below(w, 40));
    }
}

/* ---- requests */

static inline void fleet_start(struct world *w, const swarm_request *request) {
    const uint64_t name[2] = {request->number, request->epoch};
    struct flight *flight =
        request->run_key == 0 || request->run_key > w->runs_count
            ? NULL
            : flight_find(w, (uint32_t)request->run_key - 1, request->ordinal, name);

    CHECK(w, flight != NULL, "a START that the log does not know");
    CHECK(w, !flight->handed, "a START was handed out twice");
    CHECK(w, !flight->given_up, "a START was handed out after it was given up");
    CHECK(w, request->agent.id == flight->agent, "a START names another agent than the log");
    CHECK(w, request->backend.id == 1 + w->profile_backend[w->agent_profile[flight->agent]],
          "a START names another backend than its agent's");
    flight->attempt = request->attempt;
    flight->handed = true;
    flight->silent = happens(w, FAULT_NEVER);
    flight->deaf = happens(w, FAULT_DEAF);
    flight->due_ns = flight->silent ? SWARM_NEVER : w->now_ns + below(w, 2 * w->latency_ns);
    if (!flight->silent && happens(w, FAULT_INSIDE)) {
        answer(w, flight);
    }
}

static inline void fleet_cancel(struct world *w, const swarm_request *request) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        struct flight *flight = &w->flights[i];

        if (!flight->handed || flight->attempt.id != request->attempt.id) {
            continue;
        }
        CHECK(w, flight->given_up, "a CANCEL of an attempt that goes on");
        CHECK(w, !flight->cancel_seen, "a CANCEL came twice");
        flight->cancel_seen = true;
        if (flight->answered) {
            return;
        }
        if (happens(w, FAULT_LATE)) {
            flight->due_ns = SWARM_NEVER;
            haunt(w, flight->attempt, w->now_ns + w->grace_ns + 1 + below(w, 50));
        } else if (!flight->deaf) {
            flight->due_ns = w->now_ns + below(w, 20);
        }
        return;
    }
    wrong(w, "a CANCEL of an attempt that is not in flight");
}

static inline void fleet_ask(struct world *w, const swarm_request *request) {
    struct question *question = NULL;
    uint32_t run = (uint32_t)request->run_key - 1;

    CHECK(w, run < w->runs_count && request->ordinal < w->runs[run].count, "an ASK of nobody");
    for (uint32_t i = 0; i < w->questions_count; i++) {
        if (memcmp(&w->questions[i].token, &request->token, sizeof request->token) == 0) {
            return; /* a reminder */
        }
    }
    if (w->questions_count == ASKS_MAX) {
        memmove(w->questions, w->questions + 1, sizeof w->questions - sizeof *w->questions);
        w->questions_count--;
    }
    question = &w->questions[w->questions_count++];
    *question = (struct question){.token = request->token,
                                  .run = run,
                                  .step = (uint32_t)request->ordinal,
                                  .due_ns = w->now_ns + below(w, 200),
                                  .open = true};
    question->due_ns = happens(w, FAULT_SILENT_ASK) ? SWARM_NEVER : question->due_ns;
}

static inline void fleet_release(struct world *w, const swarm_request *request) {
    uint64_t word = request->result.release;

    CHECK(w, word < w->lent_count && w->lent[word] == 1, "a RELEASE of what was not lent");
    w->lent[word] = 2;
}

/* Takes what there is to do. True when there was any. */
static inline bool fleet_take(struct world *w) {
    swarm_request requests[16];
    uint32_t count, all = 0;

    while ((count = swarm_take(w->sw, requests, 16)) != 0) {
        for (uint32_t i = 0; i < count; i++) {
            switch (requests[i].kind) {
            case SWARM_REQUEST_START:
                fleet_start(w, &requests[i]);
                break;
            case SWARM_REQUEST_CANCEL:
                fleet_cancel(w, &requests[i]);
                break;
            case SWARM_REQUEST_ASK:
                fleet_ask(w, &requests[i]);
                break;
            default:
                fleet_release(w, &requests[i]);
                break;
            }
        }
        all += count;
    }
    return all != 0;
}

/* ---- what is due */

static inline void answer_question(struct world *w, struct question *question) {
    struct sim_step *step = &w->runs[question->run].steps[question->step];
    const swarm_result result = {.branch = (uint32_t)below(w, 2), .confidence_ppm = 600000};
    const swarm_outcome outcomes[] = {SWARM_OUTCOME_OK, SWARM_OUTCOME_OK, SWARM_OUTCOME_TRANSIENT,
                                      SWARM_OUTCOME_TERMINAL};
    swarm_outcome outcome = w->calm ? SWARM_OUTCOME_OK : outcomes[below(w, 4)];
    swarm_status status = swarm_answer(w->sw, question->token, outcome, &result);

    question->due_ns = SWARM_NEVER;
    CHECK(w, status == SWARM_OK || status == SWARM_E_STALE || status == SWARM_E_DUPLICATE,
          "an answer to a question was refused");
    CHECK(w, status != SWARM_OK || question->open, "a question was answered twice");
    CHECK(w,
          status == SWARM_OK || is_over(step) || !question->open || step->state != SWARM_STEP_HELD,
          "an answer to an open question was not taken");
    question->open = false;
}

/* Reports of progress, which may come at any time and of anything. */
static inline void fleet_progress(struct world *w) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        const struct flight *flight = &w->flights[i];
        swarm_status status;

        if (!flight->handed || !happens(w, FAULT_PROGRESS)) {
            continue;
        }
        status = swarm_progress(w->sw, flight->attempt, below(w, 3), below(w, 3), below(w, 2));
        CHECK(w,
              flight->answered ? status == SWARM_E_STALE : status == SWARM_OK || flight->given_up,
              "a report was taken wrongly");
    }
}

static inline void fleet_poll(struct world *w) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        if (w->flights[i].due_ns <= w->now_ns) {
            answer(w, &w->flights[i]);
        }
    }
    for (uint32_t i = 0; i < w->ghosts_count;) {
        const swarm_completion completion = {.attempt = w->ghosts[i].attempt,
                                             .usage = {.cost_nano = 1}};

        if (w->ghosts[i].due_ns > w->now_ns) {
            i++;
            continue;
        }
        if (!is_in_flight(w, completion.attempt)) {
            CHECK(w, post(w, &completion) != SWARM_OK, "an answer was taken after the end");
        }
        w->ghosts[i] = w->ghosts[--w->ghosts_count];
    }
    for (uint32_t i = 0; i < w->questions_count; i++) {
        if (w->questions[i].due_ns <= w->now_ns) {
            answer_question(w, &w->questions[i]);
        }
    }
    if (happens(w, FAULT_STALE)) {
        answer_nobody(w);
    }
    fleet_progress(w);
}

static inline uint64_t fleet_deadline(const struct world *w) {
    uint64_t next = SWARM_NEVER;

    for (uint32_t i = 0; i < w->flights_count; i++) {
        next = w->flights[i].due_ns < next ? w->flights[i].due_ns : next;
    }
    for (uint32_t i = 0; i < w->ghosts_count; i++) {
        next = w->ghosts[i].due_ns < next ? w->ghosts[i].due_ns : next;
    }
    for (uint32_t i = 0; i < w->questions_count; i++) {
        next = w->questions[i].due_ns < next ? w->questions[i].due_ns : next;
    }
    return next;
}

/* Faults are over: whatever was silent speaks. */
static inline void fleet_calm(struct world *w) {
    for (uint32_t i = 0; i < w->flights_count; i++) {
        if (!w->flights[i].answered && w->flights[i].due_ns == SWARM_NEVER) {
            w->flights[i].due_ns = w->now_ns + 1;
        }
    }
    for (uint32_t i = 0; i < w->questions_count; i++) {
        if (w->questions[i].open && w->questions[i].due_ns == SWARM_NEVER) {
            w->questions[i].due_ns = w->now_ns + 1;
        }
    }
}

#endif
