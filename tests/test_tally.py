# SPDX-License-Identifier: MIT
"""test_tally.py: the sums of a run are right; above all, nothing that failed counts as passed."""
import sys

import tally


def record(result, stdout):
    """A line of testlog.json."""
    return {"name": "x", "result": result, "stdout": stdout}


# (what, record, in CI, [passed, failed, skipped])
CASES = [
    ("a program that exits 0", record("OK", "hello\n"), False, [1, 0, 0]),
    ("a program that exits 1", record("FAIL", "hello\n"), False, [0, 1, 0]),
    ("TAP lines", record("OK", "1..2\nok 1 - a\nok 2 - b\n"), False, [2, 0, 0]),
    ("a failing TAP line", record("FAIL", "ok 1 - a\nnot ok 2 - b\n1..2\n"), False, [1, 1, 0]),
    ("a crash after good lines", record("ERROR", "1..2\nok 1 - a\n"), False, [1, 1, 0]),
    ("a time-out", record("TIMEOUT", ""), False, [0, 1, 0]),
    ("a skipped line", record("OK", "ok 1 - a\nok 2 - b # SKIP no clang\n"), True, [1, 0, 1]),
    ("missing data at home", record("OK", "ok 1 - a # SKIP shared is missing\n"), False, [0, 0, 1]),
    ("missing data in CI", record("OK", "ok 1 - a # SKIP shared is missing\n"), True, [0, 1, 0]),
    ("all skipped", record("SKIP", "1..0 # SKIP no clang\n"), True, [0, 0, 1]),
    ("all skipped, missing data in CI", record("SKIP", "1..0 # skip no shared\n"), True, [0, 1, 0]),
    ("a test that promises failure", record("OK", "not ok 1 - a # TO" "DO\n"), False, [0, 1, 0]),
    ("words that look like TAP", record("OK", "okay\nnot okay\n"), False, [1, 0, 0]),
    ("nothing ran", record("OK", "1..0\n"), False, [0, 1, 0]),
]


def main():
    """One TAP line a case."""
    failures = 0
    print(f"1..{len(CASES)}")
    for number, (what, line, in_ci, expected) in enumerate(CASES, 1):
        found = tally.count(line, in_ci)
        failures += found != expected
        print(f"{'ok' if found == expected else 'not ok'} {number} - {what}")
        if found != expected:
            print(f"# expected {expected}, found {found}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
