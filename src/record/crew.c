/* SPDX-License-Identifier: MIT */
/*
 * crew.c - who did the work: the agents of a trace, and the profiles that they joined with.
 *
 * A log names agents in two ways: SETUP says that `count` of them joined, with ids from `first` on,
 * and START names one. Only those that started something get a record, so a fleet of a million idle
 * agents costs nothing; the others are counted where their number matters (metrics.c).
 *
 * Invariant: agents ascend by id and are distinct, and each has an attempt; crews ascend by id and
 * do not overlap. So both are found by bisection, O(log n).
 *
 * Memory: the trace's, which has room for one agent an attempt. Threads: one, while it is made.
 */
#include <string.h>

#include "trace.h"

/* Sorts in place (Floyd, "Treesort 3", CACM 7(12), 1964): no recursion, no memory. */
void swarm__trace_sort(uint64_t *items, uint32_t count) {
    for (uint32_t top = count / 2, end = count; end > 1;) {
        uint64_t item;
        uint32_t at;

        if (top > 0) {
            item = items[--top];
        } else {
            item = items[--end];
            items[end] = items[0];
        }
        for (at = top; 2 * at + 1 < end;) {
            uint32_t child = 2 * at + 1;

            child += child + 1 < end && items[child] < items[child + 1];
            if (items[child] <= item) {
                break;
            }
            items[at] = items[child];
            at = child;
        }
        items[at] = item;
    }
}

/* Index of the agent with this id, which is there. */
static uint32_t agent_find(const swarm_trace *trace, uint64_t id) {
    uint32_t low = 0, high = trace->agent_count - 1;

    SWARM_ASSERT(trace->agent_count != 0);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (trace->agents[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    SWARM_ASSERT(trace->agents[low].id == id);
    return low;
}

/* The profile that the agent joined with, or 0. */
static uint64_t profile_of(const swarm_trace *trace, uint64_t id) {
    uint32_t low = 0, high = trace->crew_count;

    SWARM_ASSERT(id != 0);
    while (low < high) { /* the last that begins at or before it */
        uint32_t middle = low + (high - low) / 2;

        if (trace->crews[middle].first <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || id - trace->crews[low - 1].first >= trace->crews[low - 1].count) {
        return 0;
    }
    return trace->crews[low - 1].profile;
}

void swarm__trace_agents(swarm_trace *trace) {
    SWARM_ASSERT(trace->agent_count == 0);
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        trace->waits[i] = trace->attempts[i].agent;
    }
    swarm__trace_sort(trace->waits, trace->attempt_count);
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        if (i == 0 || trace->waits[i] != trace->waits[i - 1]) {
            struct trace_agent *agent = &trace->agents[trace->agent_count++];

            memset(agent, 0, sizeof *agent);
            agent->id = trace->waits[i];
            agent->profile = profile_of(trace, agent->id);
        }
    }
    for (uint32_t i = 0; i < trace->attempt_count; i++) {
        trace->attempts[i].agent = agent_find(trace, trace->attempts[i].agent);
    }
}
