/* SPDX-License-Identifier: MIT */
/*
 * loom_litmus.c - the harness judged: small programs whose outcomes C11 allows or forbids.
 *
 * SB, MP, LB, IRIW, 2+2W and Co?? are the field's names (Alglave, Maranget, Tautschnig, "Herding
 * Cats", TOPLAS 2014). What the model forbids must never be seen; what it allows must be seen, or
 * the harness would hide bugs. Load buffering and 2+2W of relaxed stores are allowed by C11 and not
 * seen here: see loom.c.
 */
#include "loom_atomic.h"

static atomic_u32 x, y, z, w;
static uint32_t r[4], data;

static void reset(void) {
    ATOMIC_STORE(&x, 0, relaxed);
    ATOMIC_STORE(&y, 0, relaxed);
    ATOMIC_STORE(&z, 0, relaxed);
    ATOMIC_STORE(&w, 0, relaxed);
    r[0] = r[1] = r[2] = r[3] = 9;
    data = 0;
}

static void both_zero(void) {
    if (r[0] == 0 && r[1] == 0) {
        loom_saw();
    }
}

static void one_zero(void) {
    if (r[0] == 1 && r[1] == 0) {
        loom_saw();
    }
}

/* ---- SB: each writes one and reads the other; both read 0 */

#define SB(name, left, right)                                                                      \
    static void name(uint32_t thread) {                                                            \
        if (thread == 0) {                                                                         \
            left                                                                                   \
        } else {                                                                                   \
            right                                                                                  \
        }                                                                                          \
    }

SB(sb_relaxed, ATOMIC_STORE(&x, 1, relaxed); r[0] = ATOMIC_LOAD(&y, relaxed);
   , ATOMIC_STORE(&y, 1, relaxed); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_release, ATOMIC_STORE(&x, 1, release); r[0] = ATOMIC_LOAD(&y, acquire);
   , ATOMIC_STORE(&y, 1, release); r[1] = ATOMIC_LOAD(&x, acquire);)
SB(sb_one_fence, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_FENCE(seq_cst);
   r[0] = ATOMIC_LOAD(&y, relaxed);, ATOMIC_STORE(&y, 1, relaxed); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_fences, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_FENCE(seq_cst); r[0] = ATOMIC_LOAD(&y, relaxed);
   , ATOMIC_STORE(&y, 1, relaxed); ATOMIC_FENCE(seq_cst); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_seq_cst, ATOMIC_STORE(&x, 1, seq_cst); r[0] = ATOMIC_LOAD(&y, seq_cst);
   , ATOMIC_STORE(&y, 1, seq_cst); r[1] = ATOMIC_LOAD(&x, seq_cst);)
SB(sb_stores, ATOMIC_STORE(&x, 1, seq_cst); r[0] = ATOMIC_LOAD(&y, relaxed);
   , ATOMIC_STORE(&y, 1, seq_cst); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_exchanges, (void)ATOMIC_EXCHANGE(&x, 1, seq_cst); r[0] = ATOMIC_LOAD(&y, relaxed);
   , (void)ATOMIC_EXCHANGE(&y, 1, seq_cst); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_exchange_fence, (void)ATOMIC_EXCHANGE(&x, 1, seq_cst); r[0] = ATOMIC_LOAD(&y, relaxed);
   , ATOMIC_STORE(&y, 1, relaxed); ATOMIC_FENCE(seq_cst); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(sb_exchange_load_fence, (void)ATOMIC_EXCHANGE(&x, 1, seq_cst); r[0] = ATOMIC_LOAD(&y, seq_cst);
   , ATOMIC_STORE(&y, 1, relaxed); ATOMIC_FENCE(seq_cst); r[1] = ATOMIC_LOAD(&x, relaxed);)

/* ---- MP: data, then a flag; the flag is seen, the data is old */

SB(mp_relaxed, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&y, 1, relaxed);
   , r[0] = ATOMIC_LOAD(&y, relaxed); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(mp_release, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&y, 1, release);
   , r[0] = ATOMIC_LOAD(&y, acquire); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(mp_fences, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_FENCE(release); ATOMIC_STORE(&y, 1, relaxed);
   , r[0] = ATOMIC_LOAD(&y, relaxed); ATOMIC_FENCE(acquire); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(mp_no_acquire, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&y, 1, release);
   , r[0] = ATOMIC_LOAD(&y, relaxed); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(mp_no_release, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&y, 1, relaxed);
   , r[0] = ATOMIC_LOAD(&y, acquire); r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(mp_fence_two_stores, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_FENCE(release);
   ATOMIC_STORE(&y, 2, relaxed); ATOMIC_STORE(&y, 1, relaxed);, r[0] = ATOMIC_LOAD(&y, acquire);
   r[1] = ATOMIC_LOAD(&x, relaxed);)
/* A relaxed store by the same thread ends the release sequence (since C++20). */
SB(mp_sequence_broken, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&y, 2, release);
   ATOMIC_STORE(&y, 1, relaxed);, r[0] = ATOMIC_LOAD(&y, acquire); r[1] = ATOMIC_LOAD(&x, relaxed);)

/* A third thread's relaxed change goes on with it. */
static void mp_change(uint32_t thread) {
    if (thread == 0) {
        ATOMIC_STORE(&x, 1, relaxed);
        ATOMIC_STORE(&y, 1, release);
    } else if (thread == 1) {
        (void)ATOMIC_ADD(&y, 10, relaxed);
    } else {
        r[0] = ATOMIC_LOAD(&y, acquire) == 11;
        r[1] = ATOMIC_LOAD(&x, relaxed);
    }
}

/* ---- IRIW: two readers see two writes in different orders */

#define IRIW(name, order, between)                                                                 \
    static void name(uint32_t thread) {                                                            \
        if (thread == 0) {                                                                         \
            ATOMIC_STORE(&x, 1, order);                                                            \
        } else if (thread == 1) {                                                                  \
            ATOMIC_STORE(&y, 1, order);                                                            \
        } else {                                                                                   \
            uint32_t first = thread == 2 ? 0 : 2;                                                  \
                                                                                                   \
            r[first] = ATOMIC_LOAD(thread == 2 ? &x : &y, order##_load);                           \
            between r[first + 1] = ATOMIC_LOAD(thread == 2 ? &y : &x, order##_load);               \
        }                                                                                          \
    }

#define LOOM_release_load LOOM_acquire
#define LOOM_seq_cst_load LOOM_seq_cst
#define LOOM_relaxed_load LOOM_relaxed

IRIW(iriw_release, release, )
IRIW(iriw_seq_cst, seq_cst, )
IRIW(iriw_fences, relaxed, ATOMIC_FENCE(seq_cst);)

static void iriw_check(void) {
    if (r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0) {
        loom_saw();
    }
}

/* ---- one location: its writes have one order for all */

SB(corr, ATOMIC_STORE(&x, 1, relaxed);, r[0] = ATOMIC_LOAD(&x, relaxed);
   r[1] = ATOMIC_LOAD(&x, relaxed);)
SB(cowr, ATOMIC_STORE(&x, 1, relaxed); r[0] = ATOMIC_LOAD(&x, relaxed);
   , ATOMIC_STORE(&x, 2, relaxed);)
SB(corw, r[0] = ATOMIC_LOAD(&x, relaxed); ATOMIC_STORE(&x, 1, relaxed);
   , r[1] = ATOMIC_LOAD(&x, relaxed); ATOMIC_STORE(&x, 2, relaxed);)
SB(coww, ATOMIC_STORE(&x, 1, relaxed); ATOMIC_STORE(&x, 2, relaxed);
   , r[0] = ATOMIC_LOAD(&x, relaxed); r[1] = ATOMIC_LOAD(&x, relaxed);)

static void cowr_check(void) {
    if (r[0] == 0) {
        loom_saw();
    }
}

static void corw_check(void) {
    if (r[0] == 1 || r[1] == 2 || (r[0] == 2 && r[1] == 1)) {
        loom_saw();
    }
}

static void coww_check(void) {
    if (r[0] == 2 && r[1] == 1) {
        loom_saw();
    }
}

SB(two_writes, ATOMIC_STORE(&x, 1, seq_cst); ATOMIC_STORE(&y, 2, seq_cst);
   , ATOMIC_STORE(&y, 1, seq_cst); ATOMIC_STORE(&x, 2, seq_cst);)

static void two_writes_check(void) {
    if (ATOMIC_LOAD(&x, relaxed) == 1 && ATOMIC_LOAD(&y, relaxed) == 1) {
        loom_saw();
    }
}

/* ---- changes: each reads the newest; a weak CAS may fail for nothing, a strong one not */

SB(adds, (void)ATOMIC_ADD(&x, 1, relaxed);, (void)ATOMIC_ADD(&x, 1, relaxed);)

static void adds_check(void) {
    if (ATOMIC_LOAD(&x, relaxed) != 2) {
        loom_saw();
    }
}

static void cas_alone(bool weak) {
    uint32_t zero = 0;

    r[0] = weak ? ATOMIC_CAS_WEAK(&x, &zero, 1, relaxed, relaxed)
                : ATOMIC_CAS(&x, &zero, 1, relaxed, relaxed);
}

static void cas_weak(uint32_t thread) {
    if (thread == 0) {
        cas_alone(true);
    }
}

static void cas_strong(uint32_t thread) {
    if (thread == 0) {
        cas_alone(false);
    }
}

static void failed_check(void) {
    if (r[0] == 0) {
        loom_saw();
    }
}

/* A CAS that fails may see an older value; and it orders as its failure order says. */
static void cas_old(uint32_t thread) {
    uint32_t expected = 7;

    if (thread == 0) {
        ATOMIC_STORE(&y, 1, relaxed);
        ATOMIC_STORE(&x, 1, relaxed);
    } else {
        r[0] = ATOMIC_LOAD(&x, relaxed);
        (void)ATOMIC_CAS(&y, &expected, 2, seq_cst, relaxed);
        r[1] = expected;
    }
}

static void cas_failure_acquires(uint32_t thread) {
    uint32_t expected = 7;

    if (thread == 0) {
        ATOMIC_STORE(&y, 1, relaxed);
        ATOMIC_STORE(&x, 1, release);
    } else {
        (void)ATOMIC_CAS(&x, &expected, 2, acquire, acquire);
        r[0] = expected;
        r[1] = ATOMIC_LOAD(&y, relaxed);
    }
}

/* ---- plain data, waiting: what is no finding */

static void plain_release(uint32_t thread) {
    if (thread == 0) {
        data = 1;
        ATOMIC_STORE(&x, 1, release);
    } else if (ATOMIC_LOAD(&x, acquire) == 1) {
        r[0] = data;
    }
}

/* Fences alone do order plain data, by the atomics around them. */
static void plain_fences(uint32_t thread) {
    if (thread == 0) {
        data = 1;
        ATOMIC_FENCE(seq_cst);
        ATOMIC_STORE(&x, 1, relaxed);
    } else if (ATOMIC_LOAD(&x, relaxed) == 1) {
        ATOMIC_FENCE(seq_cst);
        r[0] = data;
    }
}

/* Whoever waits for a value is woken behind it. */
static void wait_woken(uint32_t thread) {
    if (thread == 0) {
        while (ATOMIC_LOAD(&x, acquire) == 0) {
            loom_wait(NULL, &x, 0, UINT64_MAX);
        }
    } else {
        ATOMIC_STORE(&x, 1, release);
        loom_wake(NULL, &x, 1);
    }
}

static void pause_seen(uint32_t thread) {
    if (thread == 0) {
        while (ATOMIC_LOAD(&x, acquire) == 0) {
            ATOMIC_PAUSE();
        }
    } else {
        ATOMIC_STORE(&x, 1, release);
    }
}

/* ---- what must be found */

static void plain_race(uint32_t thread) {
    if (thread == 0) {
        data = 1;
        ATOMIC_STORE(&x, 1, relaxed);
    } else if (ATOMIC_LOAD(&x, acquire) == 1) {
        r[0] = data;
    }
}

/* One side reads, the other writes behind its back. */
static void plain_late_write(uint32_t thread) {
    if (thread == 0) {
        data = 1;
        ATOMIC_STORE(&x, 1, release);
        data = 2;
    } else if (ATOMIC_LOAD(&x, acquire) == 1) {
        r[0] = data;
    }
}

/* A seq_cst fence on one side orders no plain data. */
static void plain_one_fence(uint32_t thread) {
    if (thread == 0) {
        data = 1;
        ATOMIC_FENCE(seq_cst);
        ATOMIC_STORE(&x, 1, relaxed);
    } else if (ATOMIC_LOAD(&x, relaxed) == 1) {
        r[0] = data;
    }
}

static void wait_forgotten(uint32_t thread) {
    if (thread == 0) {
        while (ATOMIC_LOAD(&x, acquire) == 0) {
            loom_wait(NULL, &x, 0, UINT64_MAX);
        }
    } else {
        ATOMIC_STORE(&x, 1, release);
    }
}

static void pause_for_ever(uint32_t thread) {
    (void)thread;
    while (ATOMIC_LOAD(&x, acquire) == 0) {
        ATOMIC_PAUSE();
    }
}

static void used_after_free(uint32_t thread) {
    if (thread == 0) {
        ATOMIC_STORE(&y, 1, relaxed);
        loom_poison(&y, sizeof y);
    } else {
        (void)ATOMIC_LOAD(&y, relaxed);
    }
}

static void check_fails(uint32_t thread) {
    (void)thread;
    LOOM_CHECK(ATOMIC_ADD(&x, 1, relaxed) == 0);
}

#define LITMUS(program, judge, count, expected)                                                    \
    {                                                                                              \
        .name = #program, .setup = reset, .run = program, .check = judge, .threads = count,        \
        .preemptions = 9, .outcome = expected                                                      \
    }
#define FINDS(program, kind)                                                                       \
    {                                                                                              \
        .name = #program, .setup = reset, .run = program, .threads = 2, .preemptions = 9,          \
        .finds = kind                                                                              \
    }

static const struct loom_client clients[] = {
    LITMUS(sb_relaxed, both_zero, 2, LOOM_EVER),
    LITMUS(sb_release, both_zero, 2, LOOM_EVER),
    LITMUS(sb_one_fence, both_zero, 2, LOOM_EVER),
    LITMUS(sb_stores, both_zero, 2, LOOM_EVER),
    LITMUS(sb_exchanges, both_zero, 2, LOOM_EVER),
    LITMUS(sb_exchange_fence, both_zero, 2, LOOM_EVER),
    LITMUS(sb_fences, both_zero, 2, LOOM_NEVER),
    LITMUS(sb_seq_cst, both_zero, 2, LOOM_NEVER),
    LITMUS(sb_exchange_load_fence, both_zero, 2, LOOM_NEVER),
    LITMUS(mp_relaxed, one_zero, 2, LOOM_EVER),
    LITMUS(mp_no_acquire, one_zero, 2, LOOM_EVER),
    LITMUS(mp_no_release, one_zero, 2, LOOM_EVER),
    LITMUS(mp_sequence_broken, one_zero, 2, LOOM_EVER),
    LITMUS(mp_release, one_zero, 2, LOOM_NEVER),
    LITMUS(mp_fences, one_zero, 2, LOOM_NEVER),
    LITMUS(mp_fence_two_stores, one_zero, 2, LOOM_NEVER),
    LITMUS(mp_change, one_zero, 3, LOOM_NEVER),
    LITMUS(iriw_release, iriw_check, 4, LOOM_EVER),
    LITMUS(iriw_seq_cst, iriw_check, 4, LOOM_NEVER),
    LITMUS(iriw_fences, iriw_check, 4, LOOM_NEVER),
    LITMUS(corr, one_zero, 2, LOOM_NEVER),
    LITMUS(cowr, cowr_check, 2, LOOM_NEVER),
    LITMUS(corw, corw_check, 2, LOOM_NEVER),
    LITMUS(coww, coww_check, 2, LOOM_NEVER),
    LITMUS(two_writes, two_writes_check, 2, LOOM_NEVER),
    LITMUS(adds, adds_check, 2, LOOM_NEVER),
    LITMUS(cas_weak, failed_check, 2, LOOM_EVER),
    LITMUS(cas_strong, failed_check, 2, LOOM_NEVER),
    LITMUS(cas_old, one_zero, 2, LOOM_EVER),
    LITMUS(cas_failure_acquires, one_zero, 2, LOOM_NEVER),
    LITMUS(plain_release, NULL, 2, LOOM_NEVER),
    LITMUS(plain_fences, NULL, 2, LOOM_NEVER),
    LITMUS(wait_woken, NULL, 2, LOOM_NEVER),
    LITMUS(pause_seen, NULL, 2, LOOM_NEVER),
    FINDS(plain_race, "race"),
    FINDS(plain_late_write, "race"),
    FINDS(plain_one_fence, "race"),
    FINDS(wait_forgotten, "deadlock"),
    FINDS(pause_for_ever, "livelock"),
    FINDS(used_after_free, "poison"),
    FINDS(check_fails, "check"),
};

int main(int argc, char **argv) {
    return loom_main(argc, argv, clients, sizeof clients / sizeof clients[0]);
}
