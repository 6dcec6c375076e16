/* SPDX-License-Identifier: MIT */
/*
 * attempt.pml - the life cycle of an agent step, for Spin (Holzmann, "The Model Checker SPIN", IEEE
 * TSE 23(5), 1997): attempts, answers, timeouts, cancels, retries.
 *
 * The turn starts attempts in a slot that is used again; each has a generation. Two answerers hold
 * the handle of some attempt, maybe an old one. Who answers is decided on the attempt's word, as in
 * swarm_complete and swarm__attempt_grace_over (src/core/attempt.c).
 *
 * Shown for all interleavings (sequentially consistent: orders are loom's): the step ends exactly
 * once; an attempt is settled exactly once; each answer that was taken over is released exactly
 * once, and applied to the attempt that it names; the agent is never lent twice; when nothing can
 * happen any more, the step has ended and nothing is held.
 */
#define ATTEMPTS 2 /* of the step */
#define HANDLES 3  /* generations: 1 .. ATTEMPTS */

mtype = { FREE, QUEUED, OPEN, CLAIMED, ANSWERED };

mtype word = FREE;   /* state of the attempt's word */
byte generation = 0; /* the other half of it */
byte answer = 0;     /* generation that the answer at hand names */
bool posted = false; /* it is in the mailbox */

bool ended = false, running = false, cancelled = false, agent = false;
byte started = 0, ends = 0;
bool given_up = false; /* the attempt in the slot is not the step's any more */
byte settled[HANDLES], adopted[HANDLES], released[HANDLES];
byte answerers = 2;

inline settle() {
    assert(settled[generation] == 0 && agent);
    settled[generation]++;
    agent = false;
    released[generation] = released[generation] + adopted[generation];
    word = FREE;
    given_up = false;
}

inline end_step() {
    assert(!ended);
    ended = true;
    ends++;
    running = false;
}

/* The rounds: each alternative is one operation of the turn. */
active proctype turn() {
    do
    :: atomic { !ended && !running && !cancelled && started < ATTEMPTS && word == FREE ->
        assert(!agent); /* start an attempt */
        agent = true;
        generation++;
        started++;
        running = true;
        word = QUEUED }
    :: atomic { word == QUEUED && !given_up && !cancelled -> word = OPEN } /* START is taken */
    :: atomic { posted -> /* an answer is applied */
        posted = false;
        assert(word == ANSWERED && answer == generation);
        if
        :: given_up -> skip
        :: else ->
            running = false;
            if
            :: end_step() /* OK, or failed for good */
            :: started < ATTEMPTS -> skip /* failed: once more */
            fi
        fi;
        settle() }
    :: atomic { running -> /* a timeout, or a cancel: the step goes on without the attempt */
        given_up = true;
        running = false;
        if
        :: cancelled = true; end_step()
        :: started < ATTEMPTS -> skip
        :: started == ATTEMPTS -> end_step()
        fi;
        if
        :: word == QUEUED -> settle() /* nobody has seen it */
        :: else -> skip
        fi }
    :: atomic { given_up && word == OPEN -> settle() } /* the grace is over: a CAS on the word */
    :: atomic { !running && !ended && (cancelled || started == ATTEMPTS) && word == FREE ->
        end_step() }
    :: atomic { ended && word == FREE && answerers == 0 -> break }
    od;
    assert(ends == 1 && !agent && !posted);
    assert(settled[1] == (started >= 1) && settled[2] == (started >= 2));
    assert(adopted[1] == released[1] && adopted[2] == released[2])
}

/* Answers with the handle of some attempt whose START was taken, once. */
active [2] proctype answerer() {
    byte handle;

    do
    :: atomic { word == OPEN -> handle = generation; break } /* it was told */
    :: atomic { ended -> answerers--; goto done }
    od;
    atomic { /* the CAS of swarm_complete */
        if
        :: word == OPEN && generation == handle -> word = CLAIMED
        :: else -> answerers--; goto done
        fi
    };
    answer = handle; /* the record */
    word = ANSWERED;
    atomic {
        assert(adopted[handle] == 0);
        adopted[handle]++;
        posted = true;
        answerers--
    };
done:
    skip
}
