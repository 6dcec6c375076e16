/* SPDX-License-Identifier: MIT */
/*
 * check.c - ordering a plan's edges and looking for cycles, before anything of it is visible.
 *
 * Static: staged pairs become rows, one a step, by counting: link's lower half goes from count to
 * beginning to end of the row, edge_next from source to destination of the cell, and one pass along
 * the cycles of that permutation puts every `to` in its place (stable; nothing is moved when the
 * edges came sorted by source). Each row is sorted; repeated edges leave NONE32 at its end. For
 * plans with tracked steps the incoming edges are then chained through edge_next, heads in the
 * lower half of output[]; which row a cell is in, and so its source, is found by bisection.
 * Growing: each step's list of incoming edges is sorted and repeated ones are given back.
 *
 * Edges that ascend in the order of adding close no cycle, and those from older plans cannot: only
 * a plan that descends somewhere is searched, by Kahn's algorithm ("Topological sorting of large
 * networks", CACM 5(11), 1962), its queue linked through the upper half of output[]. Growing plans
 * are searched backwards, from the steps without successors, since their edges are staged at the
 * successor. What is left over has, from each step, a way on that stays inside: after as many steps
 * as the plan has it runs in a circle.
 *
 * Memory: none but the plan's own. Threads: whoever fills the plan. Time: O(steps + edges), plus
 * sorting where edges did not come in order.
 */
#include "step.h"

#define SORT_BUDGET 64 /* places that insertion sort may go in one list */

/* Keeps an error that concerns no single operation: the index is none. */
static swarm_status check_fail(struct graph_plan *plan, swarm_status status, const char *text) {
    swarm__graph_plan_fail(plan, status, text);
    SWARM_ASSERT(plan->error.status != SWARM_OK);
    plan->error.index = SWARM_NONE;
    return status;
}

/* The upper half of output[]: link of the search's queue, and then the way on. */
static uint32_t scratch_get(const struct graph *graph, uint32_t slot) {
    return (uint32_t)(graph->output[slot] >> 32);
}

static void scratch_set(struct graph *graph, uint32_t slot, uint32_t value) {
    graph->output[slot] = (uint64_t)value << 32 | (uint32_t)graph->output[slot];
}

/* ---- walks over a plan */

/* Works for both forms: contiguous slots, or the chain through in_degree. */
bool swarm__graph_plan_step(const struct graph_plan *plan, uint32_t *cursor) {
    *cursor = *cursor == NONE32 ? plan->first : plan_next(plan, *cursor);
    return *cursor != NONE32;
}

/* Static, between check and link: the lower half of link is the end of a step's row. */
static uint32_t row_end(const struct graph *graph, uint32_t slot) {
    SWARM_ASSERT(graph_has(graph, slot, GRAPH_STATIC));
    return link_first(ATOMIC_LOAD(&graph->link[slot], relaxed));
}

static uint32_t row_start(const struct graph_plan *plan, uint32_t slot) {
    return slot == plan->first ? plan->cells.first : row_end(plan->graph, slot - 1);
}

/* The step in whose row a cell lies: the first whose row ends behind it. */
static uint32_t row_of(const struct graph_plan *plan, uint32_t cell) {
    uint32_t low = plan->first, high = plan->last;

    SWARM_ASSERT(cell >= plan->cells.first && cell < plan->cells.next);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (row_end(plan->graph, middle) > cell) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool swarm__graph_plan_incoming(const struct graph_plan *plan, uint32_t step, uint32_t *cursor,
                                uint32_t *out_from, bool *out_delayed) {
    const struct graph *graph = plan->graph;
    uint32_t cell = *cursor == NONE32 ? (uint32_t)graph->output[step]
                                      : ATOMIC_LOAD(&graph->edge_next[*cursor], relaxed);

    SWARM_ASSERT(swarm__graph_plan_owns(plan, step));
    *cursor = cell;
    if (cell == NONE32) {
        return false;
    }
    *out_delayed = (graph->edge_to[cell] & GRAPH_DELAYED) != 0;
    *out_from = plan->is_static ? row_of(plan, cell) : graph->edge_to[cell] & GRAPH_SLOT;
    return true;
}

/* ---- static rows */

/* From counts to beginnings, by a running sum: the first step of counting sort (Seward 1954). */
static void rows_begin(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    uint32_t total = plan->cells.first;

    for (uint32_t slot = plan->first; slot <= plan->last; slot++) {
        uint64_t word = ATOMIC_LOAD(&graph->link[slot], relaxed);

        ATOMIC_STORE(&graph->link[slot], link_word(link_generation(word), total), relaxed);
        total += link_first(word);
    }
    SWARM_ASSERT(total == plan->cells.next);
}

/* From sources to destinations; beginnings become ends. True when every cell stays where it is. */
static bool rows_assign(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    bool in_place = true;

    for (uint32_t cell = plan->cells.first; cell < plan->cells.next; cell++) {
        uint32_t from = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        uint64_t word = ATOMIC_LOAD(&graph->link[from], relaxed);
        SWARM_ASSERT(from >= plan->first && from <= plan->last);

        in_place = in_place && link_first(word) == cell;
        ATOMIC_STORE(&graph->edge_next[cell], link_first(word), relaxed);
        ATOMIC_STORE(&graph->link[from], word + 1, relaxed);
    }
    return in_place;
}

/* Moves every `to` to its destination; each swap puts one for good, so all rounds together are at
 * most one a cell. In place: a plan may fill all cells that there are, and there is no second
 * array. */
static void rows_permute(struct graph_plan *plan) {
    struct graph *graph = plan->graph;

    for (uint32_t cell = plan->cells.first; cell < plan->cells.next; cell++) {
        uint32_t goal = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        SWARM_ASSERT(goal >= plan->cells.first && goal < plan->cells.next);

        while (goal != cell) {
            uint32_t to = graph->edge_to[cell];
            uint32_t goal_after = ATOMIC_LOAD(&graph->edge_next[goal], relaxed);

            graph->edge_to[cell] = graph->edge_to[goal];
            graph->edge_to[goal] = to;
            ATOMIC_STORE(&graph->edge_next[goal], goal, relaxed);
            goal = goal_after;
        }
        ATOMIC_STORE(&graph->edge_next[cell], cell, relaxed);
    }
}

/* Lets the value at `at` sink in the heap of `count` edges: the largest slot is on top. Marks in
 * the upper bits travel along and do not count. */
static void heap_sink(uint32_t *edges, uint32_t at, uint32_t count) {
    SWARM_ASSERT(at < count);
    uint32_t edge = edges[at];
    uint32_t child;

    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && (edges[child + 1] & GRAPH_SLOT) > (edges[child] & GRAPH_SLOT)) {
            child++;
        }
        if ((edges[child] & GRAPH_SLOT) <= (edge & GRAPH_SLOT)) {
            break;
        }
        edges[at] = edges[child];
        at = child;
    }
    edges[at] = edge;
}

/* Heapsort: in place, no recursion, O(n log n) whatever the caller thought up (Williams 1964). */
static void row_sort(uint32_t *edges, uint32_t count) {
    for (uint32_t at = count / 2; at-- != 0;) {
        heap_sink(edges, at, count);
    }
    for (uint32_t last = count; last-- > 1;) {
        uint32_t largest = edges[0];

        edges[0] = edges[last];
        edges[last] = largest;
        heap_sink(edges, 0, last);
    }
}

/* Folds neighbours with the same `to`; NONE32 fills the end of the row. Returns how many went. */
static uint32_t row_fold(struct graph *graph, uint32_t *edges, uint32_t count) {
    uint32_t kept = 1;

    SWARM_ASSERT(count != 0);
    for (uint32_t i = 1; i < count; i++) {
        uint32_t to = edges[i] & GRAPH_SLOT;

        if (to == (edges[kept - 1] & GRAPH_SLOT)) {
            edges[kept - 1] |= edges[i] & GRAPH_DELAYED;
            graph->in_degree[to]--;
            SWARM_ASSERT(graph->in_degree[to] != 0); /* the edge that is kept still counts */
        } else {
            edges[kept++] = edges[i];
        }
    }
    for (uint32_t i = kept; i < count; i++) {
        edges[i] = NONE32;
    }
    return count - kept;
}

/* Brings a row of at least two edges in order and drops repeated ones. Most rows ascend already, as
 * programs write loops: they cost one look at each edge. Returns how many went. */
static uint32_t row_order(struct graph *graph, uint32_t *edges, uint32_t count) {
    bool sorted = true, ascending = true; /* the latter: strictly */

    for (uint32_t i = 1; i < count; i++) {
        uint32_t before = edges[i - 1] & GRAPH_SLOT, here = edges[i] & GRAPH_SLOT;

        sorted = sorted && before <= here;
        ascending = ascending && before < here;
    }
    if (!sorted) {
        row_sort(edges, count);
    }
    return ascending ? 0 : row_fold(graph, edges, count);
}

/* All rows of a static plan. Rows stay where they are: what was dropped leaves NONE32 at an end. */
static void rows_order(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    uint32_t start = plan->cells.first;

    for (uint32_t slot = plan->first; slot <= plan->last; slot++) {
        uint32_t end = row_end(graph, slot);

        SWARM_ASSERT(start <= end);
        if (end - start > 1) {
            plan->repeated += row_order(graph, &graph->edge_to[start], end - start);
        }
        start = end;
    }
}

/* Chains the incoming edges of every step, ascending by source: the cells are walked backwards. */
static void rows_chain(struct graph_plan *plan) {
    struct graph *graph = plan->graph;

    for (uint32_t cell = plan->cells.next; cell-- > plan->cells.first;) {
        uint32_t to = graph->edge_to[cell] & GRAPH_SLOT;

        if (graph->edge_to[cell] != NONE32) {
            SWARM_ASSERT(swarm__graph_plan_owns(plan, to));
            ATOMIC_STORE(&graph->edge_next[cell], (uint32_t)graph->output[to], relaxed);
            graph->output[to] = cell; /* clears the scratch half */
        }
    }
}

/* ---- growing lists */

/* Key of a cell for sorting: older steps first, then by lineage. True: a comes before b, or they
 * name the same step. */
static bool cell_before(const struct graph *graph, uint32_t a, uint32_t b) {
    uint32_t edge_a = graph->edge_to[a], edge_b = graph->edge_to[b];
    uint64_t lineage_a = graph->lineage[edge_a & GRAPH_SLOT];
    uint64_t lineage_b = graph->lineage[edge_b & GRAPH_SLOT];

    if (((edge_a ^ edge_b) & GRAPH_OLDER) != 0) {
        return (edge_a & GRAPH_OLDER) != 0;
    }
    if (lineage_a != lineage_b) {
        return lineage_a < lineage_b;
    }
    return (edge_a & GRAPH_SLOT) <= (edge_b & GRAPH_SLOT); /* mixes may collide */
}

/* Merges two sorted lists. */
static uint32_t cells_merge(struct graph *graph, uint32_t a, uint32_t b) {
    uint32_t head = NONE32, tail = NONE32;

    SWARM_ASSERT(a == NONE32 || a != b);
    while (a != NONE32 && b != NONE32) {
        uint32_t *first = cell_before(graph, a, b) ? &a : &b;
        uint32_t cell = *first;

        *first = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        if (tail == NONE32) {
            head = cell;
        } else {
            ATOMIC_STORE(&graph->edge_next[tail], cell, relaxed);
        }
        tail = cell;
    }
    a = a != NONE32 ? a : b;
    if (tail == NONE32) {
        return a;
    }
    ATOMIC_STORE(&graph->edge_next[tail], a, relaxed);
    return head;
}

/* Merge sort from the bottom: bin i holds a sorted list of 2^i cells, as in a binary counter. */
static uint32_t cells_merge_sort(struct graph *graph, uint32_t head) {
    uint32_t bins[32], sorted = NONE32;
    int used = 0;

    while (head != NONE32) {
        uint32_t carry = head;
        int i = 0;

        head = ATOMIC_LOAD(&graph->edge_next[head], relaxed);
        ATOMIC_STORE(&graph->edge_next[carry], NONE32, relaxed);
        for (; i < used && bins[i] != NONE32; i++) { /* fewer than 2^31 cells: 31 bins do */
            carry = cells_merge(graph, bins[i], carry);
            bins[i] = NONE32;
        }
        used = i == used ? used + 1 : used;
        SWARM_ASSERT(used <= 32);
        bins[i] = carry;
    }
    for (int i = 0; i < used; i++) {
        sorted = cells_merge(graph, bins[i], sorted);
    }
    return sorted;
}

/* Puts a cell where it belongs in a sorted list. False when that is further than `budget` away. */
static bool cells_insert(struct graph *graph, uint32_t *sorted, uint32_t cell, uint32_t *budget) {
    uint32_t before = NONE32, after = *sorted;

    while (after != NONE32 && !cell_before(graph, cell, after)) {
        if ((*budget)-- == 0) {
            *budget = 0;
            return false;
        }
        before = after;
        after = ATOMIC_LOAD(&graph->edge_next[after], relaxed);
    }
    ATOMIC_STORE(&graph->edge_next[cell], after, relaxed);
    if (before == NONE32) {
        *sorted = cell;
    } else {
        ATOMIC_STORE(&graph->edge_next[before], cell, relaxed);
    }
    return true;
}

/* Lists grow at their heads, mostly in order: then each cell is the new first of the sorted list. A
 * few places of insertion sort for short lists, and a merge sort for the rest of wild ones. */
uint32_t swarm__graph_cells_sort(struct graph *graph, uint32_t head) {
    uint32_t sorted = NONE32, budget = SORT_BUDGET;

    while (head != NONE32) {
        uint32_t next = ATOMIC_LOAD(&graph->edge_next[head], relaxed);

        if (!cells_insert(graph, &sorted, head, &budget)) {
            return cells_merge(graph, sorted, cells_merge_sort(graph, head));
        }
        head = next;
    }
    return sorted;
}

/* Drops the cell behind `cell`, which repeats it. */
static void list_fold(struct graph_plan *plan, uint32_t cell, uint32_t next) {
    SWARM_ASSERT(cell != next);
    struct graph *graph = plan->graph;
    uint32_t from = graph->edge_to[cell] & ~GRAPH_DELAYED;

    graph->edge_to[cell] |= graph->edge_to[next] & GRAPH_DELAYED;
    ATOMIC_STORE(&graph->edge_next[cell], ATOMIC_LOAD(&graph->edge_next[next], relaxed), relaxed);
    space_drop(&graph->edges, plan_cells(plan), next);
    if ((from & GRAPH_OLDER) != 0) {
        SWARM_ASSERT(plan->older != 0);
        swarm__graph_unpin(graph, from & GRAPH_SLOT);
        plan->older--;
    }
    plan->repeated++;
}

/* What a growing step waits for: its edges, and the guard if none comes from its own plan. The list
 * is sorted: such an edge would be the last. */
static void list_count(struct graph *graph, uint32_t slot, uint32_t edges, uint32_t last) {
    bool guarded = last == NONE32 || (graph->edge_to[last] & GRAPH_OLDER) != 0;

    ATOMIC_STORE(&graph->pending[slot], graph_pending_of(graph_kind(graph, slot), edges + guarded),
                 relaxed);
}

/* Sorts a step's incoming edges, drops repeated ones and counts what is left. */
static void list_order(struct graph_plan *plan, uint32_t slot) {
    struct graph *graph = plan->graph;
    uint32_t cell = (uint32_t)graph->output[slot], last = NONE32, count = 0;
    SWARM_ASSERT(graph_has(graph, slot, GRAPH_STAGED));

    cell = swarm__graph_cells_sort(graph, cell);
    graph->output[slot] = cell;
    while (cell != NONE32) {
        uint32_t next = ATOMIC_LOAD(&graph->edge_next[cell], relaxed);

        if (next != NONE32 &&
            ((graph->edge_to[next] ^ graph->edge_to[cell]) & ~GRAPH_DELAYED) == 0) {
            list_fold(plan, cell, next);
        } else {
            last = cell;
            cell = next;
            count++;
        }
    }
    list_count(graph, slot, count, last);
}

/* ---- cycles: Kahn */

/* A queue of steps, linked through their scratch: the search needs no memory of its own. `found`
 * counts all that ever were in it; when it is as large as the plan, there is no cycle. */
struct search {
    uint32_t first, last, found;
};

/* Puts a step that waits for nothing more at the end of the queue. At most once each: a count comes
 * down to 0 once. */
static void search_append(struct graph *graph, struct search *search, uint32_t slot) {
    SWARM_ASSERT((search->first == NONE32) == (search->last == NONE32));
    scratch_set(graph, slot, NONE32);
    if (search->last == NONE32) {
        search->first = slot;
    } else {
        scratch_set(graph, search->last, slot);
    }
    search->last = slot;
    search->found++;
}

/* One count less; at 0 the step joins the queue. pending is nobody else's yet. */
static void search_count_down(struct graph *graph, struct search *search, uint32_t slot) {
    uint32_t left = ATOMIC_LOAD(&graph->pending[slot], relaxed) - 1;

    SWARM_ASSERT(left != UINT32_MAX);
    ATOMIC_STORE(&graph->pending[slot], left, relaxed);
    if (left == 0) {
        search_append(graph, search, slot);
    }
}

/* What the search goes on to from a step: static its row, growing its incoming edges. */
static void search_expand(struct graph_plan *plan, struct search *search, uint32_t slot) {
    struct graph *graph = plan->graph;

    if (plan->is_static) {
        for (uint32_t cell = row_start(plan, slot);
             cell < row_end(graph, slot) && graph->edge_to[cell] != NONE32; cell++) {
            search_count_down(graph, search, graph->edge_to[cell] & GRAPH_SLOT);
        }
        return;
    }
    for (uint32_t cell = (uint32_t)graph->output[slot]; cell != NONE32;
         cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
        if ((graph->edge_to[cell] & GRAPH_OLDER) == 0) {
            search_count_down(graph, search, graph->edge_to[cell] & GRAPH_SLOT);
        }
    }
}

/* Sets what search_expand counts down: static the edges in, growing the edges out. */
static void search_counts(struct graph_plan *plan) {
    struct graph *graph = plan->graph;

    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        ATOMIC_STORE(&graph->pending[slot], plan->is_static ? graph->in_degree[slot] : 0, relaxed);
    }
    if (plan->is_static) {
        return;
    }
    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        for (uint32_t cell = (uint32_t)graph->output[slot]; cell != NONE32;
             cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
            uint32_t from = graph->edge_to[cell] & GRAPH_SLOT;

            if ((graph->edge_to[cell] & GRAPH_OLDER) == 0) {
                ATOMIC_STORE(&graph->pending[from], ATOMIC_LOAD(&graph->pending[from], relaxed) + 1,
                             relaxed);
            }
        }
    }
}

/* Whether the search never reached the step: it stands on a cycle, or behind one. */
static bool search_left(const struct graph *graph, uint32_t slot) {
    return ATOMIC_LOAD(&graph->pending[slot], relaxed) != 0;
}

/* Notes for the two ends of an edge that are both left over which way leads on inside. */
static void search_note(const struct graph_plan *plan, uint32_t at, uint32_t onto) {
    SWARM_ASSERT(at != onto);
    if (search_left(plan->graph, at) && search_left(plan->graph, onto)) {
        scratch_set(plan->graph, at, onto);
    }
}

/* Gives every step that is left over a neighbour to go on to: static its predecessor, growing its
 * successor. */
static void search_ways(const struct graph_plan *plan) {
    const struct graph *graph = plan->graph;

    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        uint32_t cell = plan->is_static ? row_start(plan, slot) : (uint32_t)graph->output[slot];

        while (plan->is_static ? cell < row_end(graph, slot) && graph->edge_to[cell] != NONE32
                               : cell != NONE32) {
            if ((graph->edge_to[cell] & GRAPH_OLDER) == 0) {
                search_note(plan, graph->edge_to[cell] & GRAPH_SLOT, slot);
            }
            cell = plan->is_static ? cell + 1 : ATOMIC_LOAD(&graph->edge_next[cell], relaxed);
        }
    }
}

/* Names an edge of a cycle: error.other is an end of it that error.step waits for. */
static swarm_status search_name(struct graph_plan *plan) {
    const struct graph *graph = plan->graph;
    uint32_t at = NONE32, onto;

    search_ways(plan);
    while (swarm__graph_plan_step(plan, &at) && !search_left(graph, at)) {
    }
    SWARM_ASSERT(at != NONE32);
    for (uint32_t i = 0; i < plan->count; i++) {
        at = scratch_get(graph, at);
        SWARM_ASSERT(search_left(graph, at));
    }
    onto = scratch_get(graph, at);
    check_fail(plan, SWARM_E_CYCLE, "the edges of this plan close a cycle through these two steps");
    if (plan->is_static) {
        plan->error.step = at - plan->first;
        plan->error.other = onto - plan->first;
    } else {
        plan->error.step = graph->lineage[onto];
        plan->error.other = graph->lineage[at];
    }
    return plan->error.status;
}

/* Kahn: take away what waits for nothing, again and again. O(steps + edges). What cannot be taken
 * away holds a cycle. */
static swarm_status check_cycles(struct graph_plan *plan) {
    struct graph *graph = plan->graph;
    struct search search = {NONE32, NONE32, 0};

    search_counts(plan);
    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        if (!search_left(graph, slot)) {
            search_append(graph, &search, slot);
        }
    }
    while (search.first != NONE32) {
        uint32_t slot = search.first;

        search_expand(plan, &search, slot);
        search.first = scratch_get(graph, slot);
        search.last = search.first != NONE32 ? search.last : NONE32;
    }
    SWARM_ASSERT(search.found <= plan->count);
    return search.found == plan->count ? SWARM_OK : search_name(plan);
}

/* ---- the check */

/* Rows first, for the search walks them; the chain of incoming edges last, for it takes edge_next,
 * which the rows need until then. */
static swarm_status check_static(struct graph_plan *plan) {
    swarm_status status = SWARM_OK;

    SWARM_ASSERT(plan->first + plan->count - 1 == plan->last); /* contiguous */
    rows_begin(plan);
    if (!rows_assign(plan)) {
        rows_permute(plan);
    }
    rows_order(plan);
    if (plan->descends) {
        status = check_cycles(plan);
    }
    if (status == SWARM_OK && (plan->tracked != 0 || plan->is_walked)) {
        rows_chain(plan);
    }
    return status;
}

/* A continuation has no successors, and nothing in its plan may wait for what waits for it. */
static swarm_status check_continuation(struct graph_plan *plan) {
    struct graph *graph = plan->graph;

    SWARM_ASSERT(plan->caller != NONE32);
    SWARM_ASSERT(swarm__graph_plan_owns(plan, plan->continuation));
    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        for (uint32_t cell = (uint32_t)graph->output[slot]; cell != NONE32;
             cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
            uint32_t from = graph->edge_to[cell] & GRAPH_SLOT;

            if (from == plan->continuation) {
                return check_fail(plan, SWARM_E_INVALID,
                                  "a continuation may have no edges going out");
            }
            /* Acquire: as in graph_plan_link, for what the step that ended wrote. */
            if ((graph->edge_to[cell] & GRAPH_OLDER) != 0 &&
                link_first(ATOMIC_LOAD(&graph->link[from], acquire)) != GRAPH_CLOSED) {
                return check_fail(plan, SWARM_E_INVALID,
                                  "a plan with a continuation may not wait for unfinished steps");
            }
        }
    }
    return SWARM_OK;
}

/* Counts again after a search, which counts in the same place. */
static void lists_count(struct graph_plan *plan) {
    struct graph *graph = plan->graph;

    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        uint32_t count = 0, last = NONE32;

        for (uint32_t cell = (uint32_t)graph->output[slot]; cell != NONE32;
             cell = ATOMIC_LOAD(&graph->edge_next[cell], relaxed)) {
            last = cell;
            count++;
        }
        list_count(graph, slot, count, last);
    }
}

/* Lists first, for the count of what a step waits for is taken from the sorted list. */
static swarm_status check_growing(struct graph_plan *plan) {
    swarm_status status = SWARM_OK;

    for (uint32_t slot = plan->first; slot != NONE32; slot = plan_next(plan, slot)) {
        list_order(plan, slot);
    }
    if (plan->continuation != NONE32) {
        status = check_continuation(plan);
    }
    if (status == SWARM_OK && plan->descends) {
        status = check_cycles(plan);
        lists_count(plan);
    }
    return status;
}

swarm_status swarm__graph_plan_check(struct graph_plan *plan) {
    if (plan->error.status != SWARM_OK || plan->count == 0) {
        return plan->error.status;
    }
    return plan->is_static ? check_static(plan) : check_growing(plan);
}
