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

static void *host_allocate(void *context, size_t size, size_t align) {
    size_t rounded = size > SIZE_MAX - align ? 0 : (size + align - 1) / align * align;

    (void)context;
    return rounded == 0 ? NULL : aligned_alloc(align, rounded);
}

static void host_release(void *context, void *block, size_t size) {
    (void)context;
    (void)size;
    free(block);
}

static uint64_t host_clock(void *context) {
    struct timespec now = {0, 0};

    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static bool host_thread_start(void *context, void *(*entry)(void *), void *argument,
                              uint64_t *out_id) {
    pthread_t thread;

    (void)context;
    if (pthread_create(&thread, NULL, entry, argument) != 0) {
        return false;
    }
    *out_id = 0;
    memcpy(out_id, &thread, sizeof thread);
    return true;
}

static void host_thread_join(void *context, uint64_t id) {
    pthread_t thread;

    (void)context;
    memcpy(&thread, &id, sizeof thread);
    (void)pthread_join(thread, NULL);
}

static void host_wait(void *context, const void *address, uint32_t expected, uint64_t timeout_ns) {
    uint64_t ns = timeout_ns < WAIT_MAX_NS ? timeout_ns : WAIT_MAX_NS;
    struct timespec limit = {(time_t)(ns / SECOND_NS), 0};

    (void)context;
    limit.tv_nsec = (__typeof__(limit.tv_nsec))(ns % SECOND_NS);
    (void)syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, expected, &limit, NULL, 0);
}

static void host_wake(void *context, const void *address, uint32_t count) {
    int most = count < INT32_MAX ? (int)count : INT32_MAX;

    (void)context;
    (void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
}

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
