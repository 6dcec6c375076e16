/* SPDX-License-Identifier: MIT */
/*
 * check.h - assertions, and the one index that means "none".
 *
 * SWARM_ASSERT states what must hold. Tests, simulation and fuzzing build with SWARM_ASSERTS and
 * supply swarm__assert_failed; a release build evaluates nothing, needs no symbol, and still
 * compiles the condition, so that a stale assertion breaks the build and not a later debug session.
 *
 * Structures link by index and not by pointer: half the size, relocatable, and independent of the
 * address layout (design.md, section 6). NONE32 ends every such chain.
 *
 * Threads: nothing here has state.
 */
#ifndef SWARM_BASE_CHECK_H
#define SWARM_BASE_CHECK_H

#include <assert.h> /* static_assert under one name in C11 and C++ */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The index that is none. It is no slot of any pool: capacities are below it. */
#define NONE32 UINT32_MAX

#ifdef __cplusplus
extern "C" {
#endif

/* Never called by a build without SWARM_ASSERTS. It must not return. */
extern void swarm__assert_failed(const char *text, const char *file, int line);

#ifdef __cplusplus
}
#endif

/* sizeof evaluates nothing, and yet the names in `cond` count as used: an assert is never the
 * reason for a warning in the other build. */
#if defined(SWARM_ASSERTS)
#define SWARM_ASSERT(cond) ((cond) ? (void)0 : swarm__assert_failed(#cond, __FILE__, __LINE__))
#else
#define SWARM_ASSERT(cond) ((void)sizeof((cond) ? 1 : 0))
#endif

#endif
