# SPDX-License-Identifier: MIT
"""tables.py > mock_tables.h: the tables from which mock.c draws its distributions.

All three are read with linear interpolation. The errors that this makes are measured here, at 64
points of each interval, and written into the header.
"""
import math
import statistics

OCTAVES, STEPS = 40, 32  # of the normal quantile: p from 2^-41 to 1/2, each octave in 32 steps
SEGMENTS = 128  # of log2 and exp2
NORMAL = statistics.NormalDist()


def normal(i):
    """Entry i of the quantile: the distance z from the middle with P(Z > z) = p(i)."""
    octave, step = divmod(i, STEPS)
    return -NORMAL.inv_cdf(math.ldexp(1 + step / STEPS, octave - OCTAVES - 1))


def log2(i):
    """Entry i of the logarithm of 1..2."""
    return math.log2(1 + i / SEGMENTS)


def exp2(i):
    """Entry i of the power of 0..1."""
    return 2 ** (i / SEGMENTS)


def worst(function, last, relative):
    """Largest error of the chord between entries i and i + 1."""
    error = 0.0
    for i in range(last):
        for k in range(1, 64):
            t = k / 64
            exact = function(i + t)
            chord = function(i) * (1 - t) + function(i + 1) * t
            error = max(error, abs(chord - exact) / (exact if relative else 1))
    return error


def normal_at(x):
    """The exact quantile between two entries: p is linear there."""
    i = math.floor(x)
    octave, step = divmod(i, STEPS)
    p = math.ldexp(1 + (step + x - i) / STEPS, octave - OCTAVES - 1)
    return -NORMAL.inv_cdf(p)


def table(name, function, count, scale, digits):
    """One C array."""
    values = [round(function(i) * scale) for i in range(count)]
    rows, per_row = [], 97 // (digits + 3)
    for at in range(0, count, per_row):
        rows.append("    " + ", ".join(f"{v}u" for v in values[at:at + per_row]) + ",")
    return f"static const uint32_t {name}[{count}] = {{\n" + "\n".join(rows) + "\n};\n"


def main():
    """Prints the header."""
    quantile = worst(normal_at, OCTAVES * STEPS, False)
    power, logarithm = worst(exp2, SEGMENTS, True), worst(log2, SEGMENTS, False)
    end = round(normal(0), 2)
    print(f"""/* SPDX-License-Identifier: MIT */
/*
 * mock_tables.h - tables of mock.c. Written by tables.py; change that.
 *
 * normal_table: the quantile of the normal distribution. Entry {STEPS} * k + j is z * 2^24 with
 * P(Z > z) = 2^(k - {OCTAVES + 1}) * (1 + j / {STEPS}): octaves, so that the tail is as exact
 * as the middle. Largest error of z: {quantile:.1e}; from p = 2^-{OCTAVES + 1} on it is {end}.
 * log2_table: log2(1 + i / {SEGMENTS}) * 2^24. Largest error {logarithm:.1e}.
 * exp2_table: 2^(i / {SEGMENTS}) * 2^30. Largest relative error {power:.1e}.
 */
#ifndef SWARM_MOCK_TABLES_H
#define SWARM_MOCK_TABLES_H

#include <stdint.h>

#define NORMAL_OCTAVES {OCTAVES}u
#define NORMAL_STEPS {STEPS}u
#define TABLE_SEGMENTS {SEGMENTS}u

/* clang-format off */""")
    print(table("normal_table", normal, OCTAVES * STEPS + 1, 1 << 24, 9))
    print(table("log2_table", log2, SEGMENTS + 1, 1 << 24, 8))
    print(table("exp2_table", exp2, SEGMENTS + 1, 1 << 30, 10), end="")
    print("/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
