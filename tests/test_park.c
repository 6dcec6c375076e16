/* SPDX-License-Identifier: MIT */
/*
 * test_park.c - the event count: no wake-up is lost, and none is made without need.
 *
 * First with a host that only writes down what it was asked, and that can let things happen in the
 * middle of a wait; then with threads that really sleep. There a lost wake-up is a test that never
 * ends, which the runner reports. Nobody spins before sleeping: shortened spinning is what brought
 * such bugs to light elsewhere.
 */
#include "test.h"

#include "../src/graph/deque.h"
#include "../src/graph/park.h"
#include "crew.h"

/* ---- a host that takes notes ----------------------------------------------------------------- */

struct notes {
    uint32_t waits, wakes, last_count, expected;
    uint64_t timeout_ns;
    const void *address;
    struct park *notified_meanwhile; /* somebody notifies while the wait lasts */
    struct park_host host;
};

static void notes_wake(void *context, const void *address, uint32_t count) {
    struct notes *notes = (struct notes *)context;

    notes->wakes++;
    notes->last_count = count;
    notes->address = address;
}

static void notes_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    struct notes *notes = (struct notes *)context;

    notes->waits++;
    notes->expected = expected;
    notes->timeout_ns = timeout_ns;
    notes->address = address;
    if (notes->notified_meanwhile != NULL) {
        park_notify_one(notes->notified_meanwhile, &notes->host);
    }
}

static void notes_init(struct notes *notes) {
    memset(notes, 0, sizeof *notes);
    notes->host.context = notes;
    notes->host.wait = notes_wait;
    notes->host.wake = notes_wake;
}

TEST(park_nobody_is_told_when_nobody_sleeps) {
    struct notes notes;
    static struct park park;

    notes_init(&notes);
    park_init(&park, 5);
    park_notify_one(&park, &notes.host);
    park_notify_all(&park, &notes.host);
    CHECK_EQ(notes.wakes, 0);
    (void)park_prepare(&park);
    CHECK(!park_invariant(&park));
    park_cancel(&park);
    CHECK(park_invariant(&park));
    park_notify_one(&park, &notes.host);
    CHECK_EQ(notes.wakes, 0);
    CHECK_EQ(park_prepare(&park), 5); /* and the epoch stands still */
    park_cancel(&park);
}

TEST(park_does_not_sleep_after_a_notification) {
    struct notes notes;
    static struct park park;
    uint32_t ticket;

    for (int all = 0; all < 2; all++) {
        notes_init(&notes);
        park_init(&park, UINT32_MAX); /* the epoch comes round */
        ticket = park_prepare(&park);
        CHECK_EQ(ticket, UINT32_MAX);
        if (all != 0) {
            park_notify_all(&park, &notes.host);
        } else {
            park_notify_one(&park, &notes.host);
        }
        CHECK_EQ(notes.wakes, 1); /* the host must be told: the waiter might have slept already */
        CHECK_EQ(notes.last_count, all != 0 ? UINT32_MAX : 1);
        CHECK(notes.address == &park.epoch);
        CHECK(park_commit(&park, &notes.host, ticket, PARK_FOREVER));
        CHECK_EQ(notes.waits, 0);
        CHECK(park_invariant(&park));
        CHECK_EQ(park_prepare(&park), 0);
        park_cancel(&park);
    }
}

TEST(park_sleeps_on_its_ticket) {
    struct notes notes;
    static struct park park;
    uint32_t ticket;

    notes_init(&notes);
    park_init(&park, 41);
    ticket = park_prepare(&park);
    CHECK(!park_commit(&park, &notes.host, ticket, 123)); /* came back for no reason */
    CHECK_EQ(notes.waits, 1);
    CHECK_EQ(notes.expected, 41);
    CHECK_EQ(notes.timeout_ns, 123);
    CHECK(notes.address == &park.epoch);
    CHECK(park_invariant(&park)); /* a waiter that timed out is not counted on */
    park_notify_one(&park, &notes.host);
    CHECK_EQ(notes.wakes, 0);
}

/* Timed out and notified at the same moment: the waiter must say so, or the wake-up is gone. */
TEST(park_reports_a_wake_that_met_its_timeout) {
    struct notes notes;
    static struct park park;
    uint32_t ticket;

    notes_init(&notes);
    park_init(&park, 0);
    notes.notified_meanwhile = &park;
    ticket = park_prepare(&park);
    CHECK(park_commit(&park, &notes.host, ticket, 1));
    CHECK_EQ(notes.waits, 1);
    CHECK_EQ(notes.wakes, 1);
    CHECK(park_invariant(&park));
}

TEST(park_each_notification_counts) {
    struct notes notes;
    static struct park park;
    uint32_t first, second;

    notes_init(&notes);
    park_init(&park, 0);
    first = park_prepare(&park);
    park_notify_one(&park, &notes.host);
    second = park_prepare(&park); /* drawn after it: must sleep on the new epoch */
    CHECK(first != second);
    park_notify_one(&park, &notes.host);
    park_notify_one(&park, &notes.host);
    CHECK_EQ(notes.wakes, 3); /* no shortcut: an older notification may be used up already */
    CHECK(park_commit(&park, &notes.host, second, PARK_FOREVER));
    CHECK(park_commit(&park, &notes.host, first, PARK_FOREVER));
    CHECK_EQ(notes.waits, 0);
    CHECK(park_invariant(&park));
}

/* ---- threads that sleep ---------------------------------------------------------------------- */

/* The plainest host: a lock and a condition for each park. A timed wait returns at once: timeouts
 * then happen as often as they can. */
struct bed {
    struct park park;
    struct park_host host;
    pthread_mutex_t lock;
    pthread_cond_t condition;
};

static void bed_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    struct bed *bed = (struct bed *)context;

    (void)pthread_mutex_lock(&bed->lock);
    if (timeout_ns == PARK_FOREVER) {
        while (ATOMIC_LOAD((const atomic_u32 *)address, relaxed) == expected) {
            (void)pthread_cond_wait(&bed->condition, &bed->lock);
        }
    }
    (void)pthread_mutex_unlock(&bed->lock);
}

static void bed_wake(void *context, const void *address, uint32_t count) {
    struct bed *bed = (struct bed *)context;

    (void)address;
    (void)pthread_mutex_lock(&bed->lock); /* so that compare and sleep are one step for us */
    (void)(count == 1 ? pthread_cond_signal(&bed->condition)
                      : pthread_cond_broadcast(&bed->condition));
    (void)pthread_mutex_unlock(&bed->lock);
}

static void bed_make(struct bed *bed) {
    park_init(&bed->park, UINT32_MAX - 100);
    bed->host.context = bed;
    bed->host.wait = bed_wait;
    bed->host.wake = bed_wake;
    (void)pthread_mutex_init(&bed->lock, NULL);
    (void)pthread_cond_init(&bed->condition, NULL);
}

static void bed_free(struct bed *bed) {
    CHECK(park_invariant(&bed->park));
    (void)pthread_mutex_destroy(&bed->lock);
    (void)pthread_cond_destroy(&bed->condition);
}

#define TURNS 2000 /* on a busy machine each may cost a time slice */

/* Two threads in turn, each waiting for the other's plain release store: the shape that loses a
 * wake-up at once where a store may pass a later load. */
struct table_tennis {
    struct bed beds[2];
    atomic_u32 ball[2]; /* how often the ball came to this side */
};

static struct table_tennis game;

static void sleep_until_ball(uint32_t side, uint32_t turn, uint64_t timeout_ns) {
    struct bed *bed = &game.beds[side];

    while (ATOMIC_LOAD(&game.ball[side], acquire) < turn) {
        uint32_t ticket = park_prepare(&bed->park);

        if (ATOMIC_LOAD(&game.ball[side], relaxed) >= turn) {
            park_cancel(&bed->park);
        } else {
            (void)park_commit(&bed->park, &bed->host, ticket, timeout_ns);
        }
    }
}

static void play(void *context, uint32_t side) {
    uint64_t timeout_ns = *(const uint64_t *)context;
    uint32_t other = 1 - side;

    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        if (side == 0) {
            ATOMIC_STORE(&game.ball[other], turn, release);
            park_notify_one(&game.beds[other].park, &game.beds[other].host);
            sleep_until_ball(side, turn, timeout_ns);
        } else {
            sleep_until_ball(side, turn, timeout_ns);
            ATOMIC_STORE(&game.ball[other], turn, release);
            park_notify_one(&game.beds[other].park, &game.beds[other].host);
        }
    }
}

TEST(park_two_threads_in_turn) {
    uint64_t timeouts_ns[] = {PARK_FOREVER, 1};

    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (int i = 0; i < 2; i++) { /* the second time every wait times out */
        for (int side = 0; side < 2; side++) {
            bed_make(&game.beds[side]);
            ATOMIC_STORE(&game.ball[side], 0, relaxed);
        }
        CHECK(crew_run(2, play, &timeouts_ns[i]));
        CHECK_EQ(ATOMIC_LOAD(&game.ball[0], relaxed), TURNS);
        CHECK_EQ(ATOMIC_LOAD(&game.ball[1], relaxed), TURNS);
        bed_free(&game.beds[0]);
        bed_free(&game.beds[1]);
    }
}

/* One owner pushes and notifies, three workers steal or sleep: the scheduler's own pattern, with a
 * deque so small that work comes and goes all the time. The end is told to all. */
struct mill {
    struct bed bed;
    struct deque deque;
    atomic_u64 cells[4];
    atomic_u32 ground, ended;
};

static struct mill mill;
#define GRAINS 20000
#define MILLERS 3

static void mill_feed(void) {
    uint64_t item;

    for (uint64_t i = 0; i < GRAINS; i++) {
        while (!deque_push(&mill.deque, i)) {
            if (deque_take(&mill.deque, &item)) {
                (void)ATOMIC_ADD(&mill.ground, 1, relaxed);
            }
        }
        park_notify_one(&mill.bed.park, &mill.bed.host);
    }
    while (deque_take(&mill.deque, &item)) {
        (void)ATOMIC_ADD(&mill.ground, 1, relaxed);
    }
    ATOMIC_STORE(&mill.ended, 1, release);
    park_notify_all(&mill.bed.park, &mill.bed.host);
}

static void mill_work(void *context, uint32_t member) {
    (void)context;
    if (member == 0) {
        mill_feed();
        return;
    }
    while (ATOMIC_LOAD(&mill.ended, acquire) == 0) {
        uint64_t item;
        uint32_t ticket;

        if (deque_steal(&mill.deque, &item) == DEQUE_ITEM) {
            (void)ATOMIC_ADD(&mill.ground, 1, relaxed);
            continue;
        }
        ticket = park_prepare(&mill.bed.park);
        if (!deque_looks_empty(&mill.deque) || ATOMIC_LOAD(&mill.ended, relaxed) != 0) {
            park_cancel(&mill.bed.park);
        } else {
            (void)park_commit(&mill.bed.park, &mill.bed.host, ticket, PARK_FOREVER);
        }
    }
}

TEST(park_workers_come_for_each_item_and_for_the_end) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    bed_make(&mill.bed);
    deque_init(&mill.deque, mill.cells, 4, 0);
    ATOMIC_STORE(&mill.ground, 0, relaxed);
    ATOMIC_STORE(&mill.ended, 0, relaxed);
    CHECK(crew_run(MILLERS + 1, mill_work, NULL));
    CHECK_EQ(ATOMIC_LOAD(&mill.ground, relaxed), GRAINS);
    bed_free(&mill.bed);
}

/* One notification a piece of work, and only sleepers to do it: the feeder never works itself and
 * waits, asleep, for each piece to be done before it gives the next. */
static void hand_over(void *context, uint32_t member) {
    struct bed *workers = &game.beds[0], *boss = &game.beds[1];

    (void)context;
    for (uint32_t piece = 1; member == 0 && piece <= TURNS / 4; piece++) {
        ATOMIC_STORE(&game.ball[0], piece, release);
        if (piece == TURNS / 4) {
            park_notify_all(&workers->park, &workers->host); /* the last one: all may go */
        } else {
            park_notify_one(&workers->park, &workers->host);
        }
        sleep_until_ball(1, piece, PARK_FOREVER);
    }
    while (member != 0 && ATOMIC_LOAD(&game.ball[1], relaxed) < TURNS / 4) {
        uint32_t done = ATOMIC_LOAD(&game.ball[1], acquire);
        uint32_t ticket = park_prepare(&workers->park);

        if (ATOMIC_LOAD(&game.ball[0], acquire) != done) {
            park_cancel(&workers->park);
            if (ATOMIC_CAS(&game.ball[1], &done, done + 1, acq_rel, relaxed)) {
                park_notify_one(&boss->park, &boss->host);
            }
        } else if (done < TURNS / 4) {
            (void)park_commit(&workers->park, &workers->host, ticket, PARK_FOREVER);
        } else {
            park_cancel(&workers->park);
        }
    }
}

TEST(park_one_notification_wakes_somebody) {
    if (CREW_ALONE != NULL) {
        SKIP(CREW_ALONE);
    }
    for (int side = 0; side < 2; side++) {
        bed_make(&game.beds[side]);
        ATOMIC_STORE(&game.ball[side], 0, relaxed);
    }
    CHECK(crew_run(4, hand_over, NULL));
    CHECK_EQ(ATOMIC_LOAD(&game.ball[1], relaxed), TURNS / 4);
    bed_free(&game.beds[0]);
    bed_free(&game.beds[1]);
}

TEST_MAIN()
