/* SPDX-License-Identifier: MIT */
/*
 * call.c - what a running call step sees, and what becomes of it when it returns.
 *
 * enter and leave run on the worker. A tracked step's record is the worker's from the one to the
 * other, but for its state, which is the turn's. A plain step that comes back to the turn has no
 * record: its output carries the outcome, or the index of the plan that it brought, or why its plan
 * was refused; or the value, in state OK, if it ran well and continues a tracked step. A failed one
 * keeps the outcome, or the refusal.
 */
#include "guard.h"

#define OUTPUT_PLAN (UINT64_C(1) << 63)
#define OUTPUT_REFUSED (UINT64_C(1) << 62)

/* Why a plan was refused, as the output of a plain step: minus the status above the index. */
static uint64_t refusal_word(const swarm_error *error) {
    SWARM_ASSERT(error->status < 0);
    return OUTPUT_REFUSED | (uint64_t)(-(int64_t)error->status) << 32 | error->index;
}

swarm_status swarm__plain_refusal(uint64_t output, swarm_outcome *out_outcome,
                                  uint32_t *out_index) {
    *out_outcome = SWARM_OUTCOME_GARBAGE;
    if ((output & OUTPUT_REFUSED) == 0) {
        *out_outcome = output <= SWARM_OUTCOME_PAUSE ? (swarm_outcome)output : *out_outcome;
        return SWARM_OK;
    }
    *out_index = (uint32_t)output;
    return (swarm_status) - (int64_t)((output & ~OUTPUT_REFUSED) >> 32);
}

void swarm__call_enter(void *context, struct call_frame *frame) {
    swarm *sw = context;
    const struct tracked *step = &sw->dispatch.tracked[tracked_of(&sw->graph, frame->slot)];

    frame->call.argument = step->argument;
    frame->call.iteration =
        swarm__loop_iteration(&sw->dispatch, tracked_of(&sw->graph, frame->slot));
    frame->call.outcome = step->outcome;
    frame->call.inputs = step->inputs_count + (frame->call.iteration > 1);
    frame->input.cell = NONE32;
}

void swarm__call_leave(void *context, struct call_frame *frame, swarm_outcome outcome,
                       uint64_t value) {
    swarm *sw = context;
    uint32_t plan = frame->plan == NULL ? NONE32 : (uint32_t)(frame->plan - sw->plans);

    if (plan != NONE32) {
        frame->plan->value = value;
    }
    if (!graph_has(&sw->graph, frame->slot, GRAPH_TRACKED)) {
        if (plan == NONE32 && outcome == SWARM_OUTCOME_OK) {
            sw->graph.output[frame->slot] = value;
            kind_state_set(&sw->graph, frame->slot, SWARM_STEP_OK);
        } else {
            sw->graph.output[frame->slot] = plan != NONE32 ? OUTPUT_PLAN | plan
                                            : frame->error.status != SWARM_OK
                                                ? refusal_word(&frame->error)
                                                : outcome;
        }
        return;
    }
    struct tracked *step = &sw->dispatch.tracked[tracked_of(&sw->graph, frame->slot)];
    const swarm_result plain = {.value = value};

    step->outcome = outcome <= SWARM_OUTCOME_PAUSE ? outcome : SWARM_OUTCOME_GARBAGE;
    step->result = frame->has_result ? frame->result : plain;
    step->lent = step->result.bytes != NULL;
    step->plan = plan;
    step->plan_status = frame->error.status;
    step->plan_index = frame->error.index;
}

/* Without a plan: it came back because it continues a tracked step. */
static bool plain_went_well(const swarm *sw, uint32_t slot) {
    return kind_state(graph_kind(&sw->graph, slot)) == SWARM_STEP_OK;
}

/* The plan that a call step brought to the turn, or null. */
swarm_plan *swarm__plan_of_call(swarm *sw, uint32_t slot) {
    uint64_t output = sw->graph.output[slot];
    uint32_t index = NONE32;

    if (graph_has(&sw->graph, slot, GRAPH_AGENT) || !graph_has(&sw->graph, slot, GRAPH_CROSSED)) {
        return NULL;
    }
    if (graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        index = sw->dispatch.tracked[tracked_of(&sw->graph, slot)].plan;
    } else if (!plain_went_well(sw, slot) && (output & OUTPUT_PLAN) != 0) {
        index = (uint32_t)output;
    }
    return index == NONE32 ? NULL : &sw->plans[index];
}

/* Applies the plan, or drops it when its step does not end OK. False when it was refused, for the
 * reason in *out_error. *out_deferred: the step ends when its continuation does. */
static bool plan_take(swarm_plan *plan, bool wanted, bool *out_deferred, swarm_error *out_error) {
    *out_deferred = false;
    if (plan == NULL) {
        return true;
    }
    if (!wanted) {
        swarm__plan_undo(plan);
        return true;
    }
    if (swarm__plan_apply(plan, out_error) != SWARM_OK) {
        return false;
    }
    *out_deferred = plan->graph.count != 0 && plan->graph.deferred;
    swarm__plan_done(plan->sw, plan);
    return true;
}

/* It has a question: what it lent is that. False: it has none, or there is no place for it. */
static bool call_pauses(swarm *sw, uint32_t tracked) {
    struct tracked *step = &sw->dispatch.tracked[tracked];
    swarm_result question = step->result;

    if (step->outcome != SWARM_OUTCOME_PAUSE ||
        !swarm__ask_open(sw, tracked, SWARM_ASK_PAUSE, &question, NONE32)) {
        return false;
    }
    step->lent = false; /* the question gives the bytes back */
    step->result.bytes = NULL;
    step->result.size = 0;
    return true;
}

/* Why a call step ends so; what its effects or its loop have to say is given. */
static swarm_status call_reason(uint32_t state, swarm_outcome outcome, swarm_status reason) {
    switch (state) {
    case SWARM_STEP_OK:
        return reason;
    case SWARM_STEP_FAILED:
        return reason != SWARM_OK                 ? reason
               : outcome == SWARM_OUTCOME_GARBAGE ? SWARM_E_GARBAGE
                                                  : SWARM_E_FAILED;
    case SWARM_STEP_SKIPPED:
        return SWARM_E_DEPENDS;
    default:
        return SWARM_OK;
    }
}

/* A tracked call step came back from its worker: it ran, or it must not (spoilt, cancelled). */
void swarm__call_returned(swarm *sw, uint32_t slot, bool spoilt) {
    uint32_t tracked = tracked_of(&sw->graph, slot), state;
    struct tracked *step = &sw->dispatch.tracked[tracked];
    bool cancelled = swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[slot]);
    bool over = state_is_terminal(step->state), deferred;
    bool ok = !over && !cancelled && !spoilt && step->outcome == SWARM_OUTCOME_OK;
    swarm_plan *plan = swarm__plan_of_call(sw, slot);
    swarm_status reason = SWARM_OK;
    swarm_error error;

    step->plan = NONE32;
    if (ok && step->access != NONE32) {
        reason = swarm__effects_check(sw, tracked, *swarm__effects_of(sw, tracked), NONE32);
        ok = reason == SWARM_OK;
    }
    if (!plan_take(plan, ok, &deferred, &error)) {
        step->outcome = SWARM_OUTCOME_GARBAGE;
        step->plan_status = error.status;
        step->plan_index = error.index;
        ok = false;
    }
    if (ok && step->access != NONE32) {
        swarm__effects_apply(sw, tracked, swarm__effects_of(sw, tracked), NONE32);
    }
    if (deferred) {
        return;
    }
    if (!over && !cancelled && !spoilt && call_pauses(sw, tracked)) {
        return;
    }
    if (ok && swarm__loop_again(sw, tracked, &step->result, &reason)) {
        swarm__loop_call(sw, tracked);
        return;
    }
    state = ok ? SWARM_STEP_OK : SWARM_STEP_FAILED;
    state = spoilt ? SWARM_STEP_SKIPPED : cancelled ? SWARM_STEP_CANCELLED : state;
    if (!over && !spoilt && !cancelled && swarm__recover_call(sw, tracked, &state)) {
        return;
    }
    reason = ok || state != SWARM_STEP_OK ? reason : SWARM_OK; /* it ends with a given value */
    if (!over) {
        swarm__step_end(sw, tracked, state, call_reason(state, step->outcome, reason));
    }
    swarm__step_finish(sw, tracked);
}

/* A plain call step came back: it failed, brought a plan, or is a continuation. */
void swarm__plain_returned(swarm *sw, uint32_t slot) {
    swarm_plan *plan = swarm__plan_of_call(sw, slot);
    bool cancelled = swarm__scope_is_cancelled(&sw->graph, sw->graph.scope[slot]);
    bool ran = graph_has(&sw->graph, slot, GRAPH_CROSSED), deferred;
    bool went_well = plain_went_well(sw, slot);
    uint64_t value = plan == NULL ? sw->graph.output[slot] : plan->value;
    uint64_t refusal = (value & OUTPUT_REFUSED) != 0 && !went_well ? value : 0;
    swarm_error error;
    bool ok = plan_take(plan, !cancelled, &deferred, &error);
    uint32_t state = SWARM_STEP_FAILED;

    if (deferred) {
        return;
    }
    if (went_well || (plan != NULL && ok)) {
        state = SWARM_STEP_OK;
    }
    if (!ran && graph_has(&sw->graph, slot, GRAPH_SPOILT)) {
        state = SWARM_STEP_SKIPPED;
    } else if (cancelled) {
        state = SWARM_STEP_CANCELLED;
    }
    refusal = ok ? refusal : refusal_word(&error);
    swarm__plain_end(sw, slot, state,
                     state == SWARM_STEP_OK       ? value
                     : state != SWARM_STEP_FAILED ? 0
                     : refusal != 0               ? refusal
                                                  : value); /* its outcome */
}

/* ---- for the function */

/* Of a step that did not end OK and is read all the same: nothing. */
static swarm_result result_of(const swarm *sw, uint32_t slot) {
    swarm_result result = {.value = sw->graph.output[slot]};
    const swarm_result nothing = {0};
    const struct tracked *step;

    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED)) {
        return result;
    }
    step = &sw->dispatch.tracked[tracked_of(&sw->graph, slot)];
    return step->state == SWARM_STEP_OK ? step->result : nothing;
}

/* The cell of input `index`: from *cell, which is that of input *at, if it lies before, else
 * from the beginning; so reading them in order is linear. */
static uint32_t input_cell(const swarm *sw, const struct tracked *step, uint32_t index,
                           struct input_cursor *cursor) {
    if (cursor->cell == NONE32 || cursor->index > index) {
        cursor->cell = step->inputs_first;
        cursor->index = 0;
    }
    while (cursor->index < index) {
        cursor->cell = sw->dispatch.inputs[cursor->cell].next;
        cursor->index++;
    }
    return cursor->cell;
}

/* Why nothing came from that predecessor. */
static swarm_status hole_reason(const swarm *sw, uint32_t input) {
    const struct tracked *from = &sw->dispatch.tracked[tracked_of(&sw->graph, input & INPUT_SLOT)];

    if ((input & INPUT_LATE) != 0 || from->state == SWARM_STEP_CANCELLED) {
        return SWARM_E_FENCED;
    }
    return from->reason != SWARM_OK ? from->reason : SWARM_E_DEPENDS;
}

static swarm_status input_at(const swarm *sw, uint32_t slot, uint32_t index,
                             struct input_cursor *cursor, swarm_result *out_result) {
    const struct tracked *step;
    uint32_t cell;

    if (!graph_has(&sw->graph, slot, GRAPH_TRACKED) || out_result == NULL) {
        return SWARM_E_INVALID;
    }
    step = &sw->dispatch.tracked[tracked_of(&sw->graph, slot)];
    if (index == step->inputs_count &&
        swarm__loop_iteration(&sw->dispatch, tracked_of(&sw->graph, slot)) > 1) {
        *out_result = step->result;
        return SWARM_OK;
    }
    if (index >= step->inputs_count) {
        return SWARM_E_INVALID;
    }
    cell = input_cell(sw, step, index, cursor);
    cell = sw->dispatch.inputs[cell].slot;
    if ((cell & INPUT_HOLE) != 0) {
        return hole_reason(sw, cell);
    }
    *out_result = result_of(sw, cell);
    return SWARM_OK;
}

swarm_status swarm_call_input(const swarm_call *call, uint32_t index, swarm_result *out_result) {
    struct call_frame *frame = (struct call_frame *)(uintptr_t)call; /* the call is its head */

    if (call == NULL) {
        return SWARM_E_INVALID;
    }
    return input_at(call->sw, frame->slot, index, &frame->input, out_result);
}

swarm_status swarm_input(swarm *sw, swarm_step step, uint32_t index, swarm_result *out_result) {
    uint32_t slot = sw == NULL ? NONE32 : swarm__step_find(sw, step);
    struct input_cursor start = {NONE32, 0};

    if (slot == NONE32) {
        return sw == NULL ? SWARM_E_INVALID : SWARM_E_STALE;
    }
    return input_at(sw, slot, index, &start, out_result);
}

swarm_status swarm_call_output(const swarm_call *call, const swarm_result *result) {
    struct call_frame *frame = (struct call_frame *)(uintptr_t)call; /* the call is its head */

    if (call == NULL || result == NULL || result->confidence_ppm > MILLION ||
        (result->bytes == NULL && result->size != 0)) {
        return SWARM_E_INVALID;
    }
    if (!graph_has(&call->sw->graph, frame->slot, GRAPH_TRACKED) ||
        ((call->iteration != 0 || call->outcome != SWARM_OUTCOME_OK) && result->bytes != NULL)) {
        return SWARM_E_UNSUPPORTED;
    }
    frame->result = *result;
    frame->has_result = true;
    return SWARM_OK;
}

bool swarm_call_cancelled(const swarm_call *call) {
    const struct call_frame *frame = (const struct call_frame *)call;
    const struct graph *graph;

    if (call == NULL) {
        return false;
    }
    graph = &call->sw->graph;
    return graph_has(graph, frame->slot, GRAPH_STOPPED) ||
           swarm__scope_is_cancelled(graph, graph->scope[frame->slot]);
}
