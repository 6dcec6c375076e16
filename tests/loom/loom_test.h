/* SPDX-License-Identifier: MIT */
/*
 * loom_test.h - stands in for tests/test.h, so that the test rigs of the modules serve loom's
 * clients as well: a check that fails is a finding.
 */
#ifndef SWARM_TESTS_TEST_H
#define SWARM_TESTS_TEST_H

#include <stdlib.h>
#include <string.h>

#include "loom_atomic.h"

#define CHECK(condition) LOOM_CHECK(condition)
#define CHECK_EQ(a, b) LOOM_CHECK((uint64_t)(a) == (uint64_t)(b))

#endif
