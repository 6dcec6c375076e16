/* SPDX-License-Identifier: MIT */
/*
 * test_base.c - the sequential half of src/base: numbers, draws, hashes, and the owner's
 * structures.
 *
 * Each structure is run at random against a model so naive that it is right at a glance (a sorted
 * search, an array, 128-bit arithmetic of the compiler), with its invariant checked after every
 * step. Fixed values come from the sources named beside them, or freeze what a recording depends
 * on: to change one is to change the trace version.
 */
#include "test.h"

#include "../src/base/arena.h"
#include "../src/base/heap.h"
#include "../src/base/list.h"
#include "../src/base/ring.h"
#include "../src/base/slots.h"

/* ---- heap.h ---------------------------------------------------------------------------------- */

#define HEAP_MODEL_MAX 64

struct heap_model {
    struct heap_node nodes[HEAP_MODEL_MAX];
    uint32_t roots[2];             /* two heaps share the array */
    uint32_t home[HEAP_MODEL_MAX]; /* which heap a node is in, or NONE32 */
    uint32_t capacity;
};

/* The order again, from its sentence: by rank, then first, then second. */
static bool model_before(const struct heap_node *a, const struct heap_node *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->first < b->first) ||
           (a->rank == b->rank && a->first == b->first && a->second < b->second);
}

static uint32_t model_top(const struct heap_model *model, uint32_t heap) {
    uint32_t best = NONE32;

    for (uint32_t i = 0; i < model->capacity; i++) {
        if (model->home[i] == heap &&
            (best == NONE32 || model_before(&model->nodes[i], &model->nodes[best]))) {
            best = i;
        }
    }
    return best;
}

static uint64_t heap_key(void) {
    return test_below(2) == 0 ? test_below(3) : UINT64_MAX - test_below(3); /* ties and far ends */
}

static void heap_step(struct heap_model *model) {
    uint32_t heap = (uint32_t)test_below(2), node = (uint32_t)test_below(model->capacity), top;

    if (test_below(3) == 0) {
        top = model_top(model, heap);
        CHECK_EQ(heap_pop(model->nodes, &model->roots[heap]), top);
        if (top != NONE32) {
            model->home[top] = NONE32;
        }
    } else if (model->home[node] == NONE32) {
        model->nodes[node].rank = (uint32_t)heap_key();
        model->nodes[node].first = heap_key();
        model->nodes[node].second = (heap_key() << 8) + node; /* a key of its own */
        heap_push(model->nodes, &model->roots[heap], node);
        model->home[node] = heap;
    } else if (test_below(2) == 0) {
        heap_remove(model->nodes, &model->roots[model->home[node]], node);
        model->home[node] = NONE32;
    }
}

static void heap_compare(const struct heap_model *model) {
    for (uint32_t heap = 0; heap < 2; heap++) {
        uint32_t count = 77, expected = 0;

        for (uint32_t i = 0; i < model->capacity; i++) {
            expected += model->home[i] == heap;
            CHECK_EQ(heap_contains(model->nodes, i), model->home[i] != NONE32);
        }
        CHECK(heap_invariant(model->nodes, model->roots[heap], model->capacity, &count));
        CHECK_EQ(count, expected);
        CHECK_EQ(heap_top(model->nodes, &model->roots[heap]), model_top(model, heap));
    }
}

TEST(heap_agrees_with_a_search) {
    static const uint32_t capacities[] = {1, 2, 3, 8, HEAP_MODEL_MAX};
    static struct heap_model model;

    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
        model.capacity = capacities[c];
        model.roots[0] = model.roots[1] = NONE32;
        for (uint32_t i = 0; i < model.capacity; i++) {
            heap_node_init(model.nodes, i);
            model.home[i] = NONE32;
        }
        for (int step = 0; step < 20000 && !test_failed(); step++) {
            heap_step(&model);
            heap_compare(&model);
        }
    }
}

#define HEAP_BIG 100000

static struct heap_node heap_big[HEAP_BIG];

/* Ascending, descending and mixed pushes: one long family, one long line, a bush. */
TEST(heap_sorts_a_hundred_thousand) {
    for (int shape = 0; shape < 3; shape++) {
        uint32_t root = NONE32, count = 0, last = NONE32;

        for (uint32_t i = 0; i < HEAP_BIG; i++) {
            heap_node_init(heap_big, i);
            heap_big[i].rank = 0;
            heap_big[i].first = shape == 0 ? i : shape == 1 ? HEAP_BIG - i : test_below(1000);
            heap_big[i].second = i;
            heap_push(heap_big, &root, i);
        }
        CHECK(heap_invariant(heap_big, root, HEAP_BIG, &count));
        CHECK_EQ(count, HEAP_BIG);
        for (uint32_t i = 0; i < HEAP_BIG && !test_failed(); i++) {
            uint32_t top = heap_pop(heap_big, &root);

            CHECK(top != NONE32);
            CHECK(i == 0 || model_before(&heap_big[last], &heap_big[top]));
            last = top;
        }
        CHECK_EQ(heap_pop(heap_big, &root), NONE32);
    }
}

/* Equal keys come out in any order, but all of them do. */
TEST(heap_bears_equal_keys) {
    struct heap_node nodes[9];
    uint32_t root = NONE32, seen = 0;

    for (uint32_t i = 0; i < 9; i++) {
        heap_node_init(nodes, i);
        nodes[i].rank = 1;
        nodes[i].first = nodes[i].second = i / 5;
        heap_push(nodes, &root, i);
        CHECK(heap_invariant(nodes, root, 9, NULL));
    }
    for (uint32_t i = 0; i < 9; i++) {
        uint32_t top = heap_pop(nodes, &root);

        CHECK(top < 9 && top / 5 == i / 5);
        CHECK(heap_invariant(nodes, root, 9, NULL));
        seen |= 1u << top % 32;
    }
    CHECK_EQ(seen, 0x1FF);
}

TEST(heap_invariant_sees_damage) {
    struct heap_node nodes[4];
    uint32_t root = NONE32;

    for (uint32_t i = 0; i < 4; i++) {
        heap_node_init(nodes, i);
        nodes[i].rank = i;
        nodes[i].first = nodes[i].second = 0;
        heap_push(nodes, &root, i);
    }
    CHECK(heap_invariant(nodes, root, 4, NULL));
    nodes[0].rank = 9; /* a key changed in place */
    CHECK(!heap_invariant(nodes, root, 4, NULL));
    nodes[0].rank = 0;
    nodes[1].sibling = 3; /* a cycle */
    CHECK(!heap_invariant(nodes, root, 4, NULL));
    nodes[1].sibling = 9; /* out of the array */
    CHECK(!heap_invariant(nodes, root, 4, NULL));
    CHECK(!heap_invariant(nodes, 9, 4, NULL));
}

/* ---- list.h ---------------------------------------------------------------------------------- */

TEST(list_agrees_with_an_array) {
    struct list_link links[8];
    struct list list;
    uint32_t model[8], count = 0;

    list_init(&list);
    for (uint32_t i = 0; i < 8; i++) {
        list_link_init(links, i);
    }
    for (int step = 0; step < 20000 && !test_failed(); step++) {
        uint32_t slot = (uint32_t)test_below(8), at = 0;

        while (at < count && model[at] != slot) {
            at++;
        }
        CHECK_EQ(list_contains(links, slot), at < count);
        if (test_below(4) == 0) {
            CHECK_EQ(list_take(&list, links), count != 0 ? model[0] : NONE32);
            at = 0;
        } else if (at == count) {
            list_append(&list, links, slot);
            model[count++] = slot;
            at = count;
        } else {
            list_remove(&list, links, slot);
        }
        if (at < count) {
            count--;
            memmove(model + at, model + at + 1, (count - at) * sizeof model[0]);
        }
        CHECK(list_invariant(&list, links, 8));
        CHECK_EQ(list.first, count != 0 ? model[0] : NONE32);
        CHECK_EQ(list.last, count != 0 ? model[count - 1] : NONE32);
    }
}

TEST(list_invariant_sees_damage) {
    struct list_link links[4];
    struct list list;

    list_init(&list);
    for (uint32_t i = 0; i < 4; i++) {
        list_link_init(links, i);
        list_append(&list, links, i);
    }
    CHECK(list_invariant(&list, links, 4));
    CHECK(!list_invariant(&list, links, 3)); /* a slot beyond the array */
    list.last = 2;
    CHECK(!list_invariant(&list, links, 4));
    list.last = 3;
    links[2].previous = 0;
    CHECK(!list_invariant(&list, links, 4));
    links[2].previous = 1;
    links[3].next = 0; /* a cycle */
    CHECK(!list_invariant(&list, links, 4));
}

/* ---- slots.h --------------------------------------------------------------------------------- */

static void slots_against_model(uint32_t capacity) {
    uint32_t links[16], returned[16], count = 0, fresh = 0;
    bool taken[16] = {false};
    struct slots slots;

    memset(links, 0xAA, sizeof links); /* init is O(1): it must not rely on the links */
    slots_init(&slots, links, capacity);
    for (int step = 0; step < 5000 && !test_failed(); step++) {
        uint32_t slot = capacity != 0 ? (uint32_t)test_below(capacity) : 0;

        if (test_below(2) == 0) {
            uint32_t expected = NONE32;

            if (fresh < capacity) {
                expected = fresh++;
            } else if (count != 0) {
                expected = returned[--count];
            }
            CHECK_EQ(slots_take(&slots), expected);
            if (expected != NONE32) {
                CHECK(!taken[expected]);
                taken[expected] = true;
            }
        } else if (taken[slot]) {
            slots_give(&slots, slot);
            returned[count++] = slot;
            taken[slot] = false;
        }
        CHECK(slots_invariant(&slots));
        CHECK_EQ(slots.used, fresh - count);
        CHECK_EQ(slots_taken(&slots, slot), taken[slot]);
    }
}

TEST(slots_agree_with_an_array) {
    slots_against_model(0);
    slots_against_model(1);
    slots_against_model(2);
    slots_against_model(16);
}

TEST(slots_invariant_sees_damage) {
    uint32_t links[80]; /* more than there are slots: the compiler sees the 77 below */
    struct slots slots;

    slots_init(&slots, links, 4);
    for (int i = 0; i < 3; i++) {
        (void)slots_take(&slots);
    }
    CHECK(!slots_taken(&slots, 3));  /* never given out */
    CHECK(!slots_taken(&slots, 77)); /* nor is there one */
    slots_give(&slots, 0);
    slots_give(&slots, 2);
    CHECK(slots_invariant(&slots));
    links[0] = 2; /* a cycle */
    CHECK(!slots_invariant(&slots));
    links[0] = 3; /* a slot that was never given out */
    CHECK(!slots_invariant(&slots));
    links[0] = NONE32;
    slots.used = 2;
    CHECK(!slots_invariant(&slots));
}

/* ---- arena.h --------------------------------------------------------------------------------- */

static const uint64_t arena_shapes[][3] = {{3, 5, 1},   {1, 8, 8}, {0, 40, 64}, {7, 4, 4},
                                           {1, 64, 64}, {5, 1, 2}, {2, 24, 16}};
#define ARENA_SHAPES (sizeof arena_shapes / sizeof arena_shapes[0])

static void arena_layout(struct arena *arena, void *out[ARENA_SHAPES]) {
    for (size_t i = 0; i < ARENA_SHAPES; i++) {
        out[i] = arena_take(arena, arena_shapes[i][0], arena_shapes[i][1], arena_shapes[i][2]);
    }
}

TEST(arena_fits_what_it_measured_wherever_the_block_lies) {
    unsigned char block[1024];
    void *places[ARENA_SHAPES];
    struct arena arena;
    size_t size = 0;

    arena_measure(&arena);
    arena_layout(&arena, places);
    CHECK(arena_size(&arena, &size));
    CHECK(size < sizeof block - 64);
    for (size_t i = 0; i < ARENA_SHAPES; i++) {
        CHECK(places[i] == NULL);
    }
    for (size_t skew = 0; skew < 64; skew++) {
        arena_init(&arena, block + skew, size);
        arena_layout(&arena, places);
        CHECK(!arena.failed);
        for (size_t i = 0; i < ARENA_SHAPES && !test_failed(); i++) {
            unsigned char *place = (unsigned char *)places[i];
            size_t bytes = (size_t)(arena_shapes[i][0] * arena_shapes[i][1]);

            CHECK_EQ((uintptr_t)place % arena_shapes[i][2], 0);
            CHECK(place >= block + skew);
            CHECK(place + bytes <= block + skew + size);
            CHECK(i + 1 == ARENA_SHAPES || place + bytes <= (unsigned char *)places[i + 1]);
        }
    }
}

TEST(arena_failure_sticks) {
    static unsigned char block[256];
    struct arena arena;
    size_t size = 77;

    arena_measure(&arena);
    CHECK(arena_take(&arena, UINT64_MAX, 2, 1) == NULL); /* the product overflows */
    CHECK(arena.failed);
    CHECK(!arena_size(&arena, &size));
    arena_measure(&arena);
    (void)arena_take(&arena, SIZE_MAX, 1, 1);
    CHECK(!arena_size(&arena, &size)); /* nothing left to align the block with */
    (void)arena_take(&arena, 1, 8, 8);
    CHECK(arena.failed); /* the sum overflows */
    CHECK_EQ(size, 77);

    arena_init(&arena, block, sizeof block);
    CHECK(arena_take(&arena, 8, 8, 8) != NULL);
    CHECK(arena_take(&arena, 1, 256, 1) == NULL);
    CHECK(arena_take(&arena, 1, 1, 1) == NULL); /* there would be room, but the layout has failed */
    CHECK(arena.failed);
    arena_init(&arena, block + 1, 1); /* not even room to align */
    CHECK(arena_take(&arena, 0, 1, 1) == NULL);
    CHECK(arena.failed);
}

TEST(arena_is_full_to_the_byte) {
    static unsigned char block[192];
    unsigned char *aligned = block + (0 - (uintptr_t)block) % 64;
    struct arena arena;

    arena_init(&arena, aligned, 128);
    CHECK(arena_take(&arena, 1, 128, 64) == aligned);
    CHECK(arena_take(&arena, 0, 1, 1) == aligned + 128);
    CHECK(!arena.failed);
    arena_init(&arena, aligned, 127);
    CHECK(arena_take(&arena, 1, 128, 64) == NULL);
}

/* ---- ring.h ---------------------------------------------------------------------------------- */

#define RING_MODEL_MAX 64

struct ring_model {
    struct ring ring;
    unsigned char block[RING_MODEL_MAX + 8];
    size_t sizes[RING_MODEL_MAX]; /* of the records inside, oldest first */
    unsigned char first[RING_MODEL_MAX];
    size_t count;
    unsigned char next; /* records hold consecutive bytes from here */
};

static void ring_write_one(struct ring_model *model) {
    size_t wanted = 1 + (size_t)test_below(model->ring.capacity + 2);
    size_t used = 1 + (size_t)test_below(wanted), space = ring_space(&model->ring);
    unsigned char *place = ring_reserve(&model->ring, wanted);

    CHECK_EQ(place != NULL, wanted <= space);
    if (place == NULL) {
        return;
    }
    memset(place, 0xEE, wanted); /* all of it is the writer's */
    CHECK(ring_invariant(&model->ring));
    if (test_below(4) == 0) {
        ring_abandon(&model->ring);
        return;
    }
    for (size_t i = 0; i < used; i++) {
        place[i] = (unsigned char)(model->next + i);
    }
    ring_commit(&model->ring, used);
    model->sizes[model->count] = used;
    model->first[model->count++] = model->next;
    model->next = (unsigned char)(model->next + used + 1);
}

static void ring_read_some(struct ring_model *model) {
    unsigned char out[RING_MODEL_MAX];
    size_t capacity = (size_t)test_below(sizeof out + 1), expected = 0, records = 0, at = 0;

    while (records < model->count && expected + model->sizes[records] <= capacity) {
        expected += model->sizes[records++];
    }
    CHECK_EQ(ring_read(&model->ring, out, capacity), expected);
    for (size_t i = 0; i < records; i++) {
        for (size_t k = 0; k < model->sizes[i]; k++) {
            CHECK_EQ(out[at++], (unsigned char)(model->first[i] + k));
        }
    }
    model->count -= records;
    memmove(model->sizes, model->sizes + records, model->count * sizeof model->sizes[0]);
    memmove(model->first, model->first + records, model->count);
}

TEST(ring_agrees_with_a_queue) {
    for (size_t capacity = 0; capacity <= RING_MODEL_MAX; capacity++) {
        static struct ring_model model;

        memset(&model, 0, sizeof model);
        memset(model.block, 0x55, sizeof model.block);
        ring_init(&model.ring, model.block, capacity);
        for (int step = 0; step < 2000 && !test_failed(); step++) {
            if (test_below(2) == 0) {
                ring_write_one(&model);
            } else {
                ring_read_some(&model);
            }
            CHECK(ring_invariant(&model.ring));
            CHECK_EQ(ring_next_size(&model.ring), model.count != 0 ? model.sizes[0] : 0);
            CHECK_EQ(ring_empty(&model.ring), model.count == 0);
            if (model.count == 0) { /* the largest record is certain to fit once all is read */
                CHECK_EQ(ring_space(&model.ring), capacity > 4 ? capacity - 4 : 0);
            }
        }
        for (size_t i = capacity; i < sizeof model.block; i++) {
            CHECK_EQ(model.block[i], 0x55); /* nothing is written behind the block */
        }
    }
}

static void ring_put(struct ring *ring, unsigned char value, size_t size) {
    unsigned char *place = ring_reserve(ring, size);

    CHECK(place != NULL);
    if (place != NULL) {
        memset(place, value, size);
        ring_commit(ring, size);
    }
}

/* The log is read out while a record is being built: some of what stood before it, or all. */
TEST(ring_read_under_an_open_reservation) {
    for (size_t sizes = 0; sizes < 10 * 10 * 10 * 3; sizes++) {
        size_t first = 1 + sizes % 10, second = 1 + sizes / 10 % 10, third = 1 + sizes / 100 % 10;
        size_t reads = sizes / 1000;
        unsigned char block[32], out[32], *place;
        struct ring ring;

        ring_init(&ring, block, sizeof block);
        ring_put(&ring, 1, first);
        ring_put(&ring, 2, second);
        if (reads != 0) { /* makes room in front, so that the next one may go there */
            CHECK_EQ(ring_read(&ring, out, first), first);
        }
        place = ring_reserve(&ring, third);
        if (place == NULL) {
            continue;
        }
        memset(place, 3, third);
        if (reads == 2) { /* now the ring is empty but for the reservation */
            CHECK_EQ(ring_read(&ring, out, sizeof out), second);
            CHECK_EQ(out[0], 2);
            CHECK(ring_empty(&ring));
        }
        CHECK(ring_invariant(&ring));
        ring_commit(&ring, third);
        CHECK(ring_invariant(&ring));
        CHECK_EQ(ring_read(&ring, out,
                           reads == 0   ? first
                           : reads == 1 ? second
                                        : third),
                 reads == 0   ? first
                 : reads == 1 ? second
                              : third);
        CHECK_EQ(out[0], reads + 1);
        while (!ring_empty(&ring)) {
            CHECK(ring_read(&ring, out, sizeof out) != 0);
        }
        CHECK_EQ(ring_space(&ring), sizeof block - 4);
    }
}

TEST_MAIN()
