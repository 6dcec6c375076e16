/* SPDX-License-Identifier: MIT */
/*
 * linux.c - the default host: the C allocator, the monotonic clock, POSIX threads, futexes. With
 * -DSWARM_NO_HOST there is none: the caller brings memory, clock, threads and parking, or does
 * without.
 *
 * A futex needs no state of ours: the kernel compares the word and goes to sleep as one step, which
 * is what park.h asks of `wait`. So the library has no writable globals here either.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "../../swarm.h"
#include "../base/check.h"

#if defined(SWARM_NO_HOST)

const swarm_host *swarm_host_default(void) {
    return NULL;
}

#else

#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)
#define WAIT_MAX_NS (UINT64_C(1000000) * SECOND_NS) /* what a timespec surely holds */

/* aligned_alloc wants a size that is a multiple of the alignment; rounding up may not wrap. */
static void *host_allocate(void *context, size_t size, size_t align) {
    size_t rounded = size > SIZE_MAX - align ? 0 : (size + align - 1) / align * align;

    SWARM_ASSERT(align != 0 && (align & (align - 1)) == 0);
    (void)context;
    return rounded == 0 ? NULL : aligned_alloc(align, rounded);
}

/* The C library knows the size of a block by itself. */
static void host_release(void *context, void *block, size_t size) {
    (void)context;
    (void)size;
    free(block);
}

/* CLOCK_MONOTONIC and not the time of day, which is set back and forth. The call cannot fail with
 * this clock and a valid place for the result. */
static uint64_t host_clock(void *context) {
    struct timespec now = {0, 0};

    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* The id holds the bytes of a pthread_t, whose type the library's header must not know. */
static bool host_thread_start(void *context, void *(*entry)(void *), void *argument,
                              uint64_t *out_id) {
    pthread_t thread;

    static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "a pthread_t has no room in the id");
    SWARM_ASSERT(entry != NULL);
    (void)context;
    if (pthread_create(&thread, NULL, entry, argument) != 0) {
        return false;
    }
    *out_id = 0;
    memcpy(out_id, &thread, sizeof thread);
    return true;
}

/* Waits for the thread's end. The library joins each thread that it started, once. */
static void host_thread_join(void *context, uint64_t id) {
    pthread_t thread;

    (void)context;
    memcpy(&thread, &id, sizeof thread);
    (void)pthread_join(thread, NULL);
}

/* Returns when woken, at the timeout, after a signal, or at once when the word is not `expected`:
 * EAGAIN, EINTR and ETIMEDOUT mean the same to a caller that looks again anyway. PRIVATE: the word
 * is never shared with another process, which spares the kernel a look-up. */
static void host_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    uint64_t ns = timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS;
    struct timespec limit = {(time_t)(ns / SECOND_NS), 0};

    SWARM_ASSERT((uintptr_t)address % sizeof(uint32_t) == 0);
    (void)context;
    limit.tv_nsec = (__typeof__(limit.tv_nsec))(ns % SECOND_NS);
    (void)syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, expected, &limit, NULL, 0);
}

/* The kernel takes an int: "all" must not become a negative count. */
static void host_wake(void *context, const void *address, uint32_t count) {
    int most = count < INT32_MAX ? (int)count : INT32_MAX;

    SWARM_ASSERT(count != 0);
    (void)context;
    (void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
}

/* Read-only: any number of swarms share it. */
static const swarm_host linux_host = {.size = sizeof(swarm_host),
                                      .allocate = host_allocate,
                                      .release = host_release,
                                      .clock = host_clock,
                                      .thread_start = host_thread_start,
                                      .thread_join = host_thread_join,
                                      .wait = host_wait,
                                      .wake = host_wake};

const swarm_host *swarm_host_default(void) {
    return &linux_host;
}

#endif
