# SPDX-License-Identifier: MIT
"""tally.py TESTLOG: sums one Meson run (meson-logs/testlog.json) as `PASSED FAILED SKIPPED`.

TAP tests count by their lines, others as one each. A test that failed without a failing line
(a crash, a time-out, a broken plan) counts as one failure. Where CI=true a skip that names
`shared` is a failure: CI has that data, so skipping there would hide a test that never runs.
What failed goes to stderr, with the failing lines and the comments around them.
"""
import json
import os
import re
import sys

TAP_LINE = re.compile(r"^(not )?ok\b[ \t]*[0-9]*(.*)$", re.MULTILINE)
SKIP = re.compile(r"#\s*skip\b(.*)", re.IGNORECASE)
NO_TEST = re.compile(r"^1\.\.0\b(.*)$", re.MULTILINE)


def count_skip(reason, in_ci):
    """A skip is [passed, failed, skipped] = one skipped, or one failed where it may not be."""
    return [0, 1, 0] if in_ci and "shared" in reason else [0, 0, 1]


def count(record, in_ci):
    """[passed, failed, skipped] of one record of testlog.json."""
    text = record.get("stdout") or ""
    total = [0, 0, 0]
    lines = TAP_LINE.findall(text)
    for failed, rest in lines:
        skip = SKIP.search(rest)
        one = [0, 1, 0] if failed else [1, 0, 0]
        if skip and not failed:
            one = count_skip(skip.group(1), in_ci)
        total = [a + b for a, b in zip(total, one)]
    no_test = NO_TEST.search(text)
    if not lines and no_test:
        skip = SKIP.search(no_test.group(1))
        total = count_skip(skip.group(1), in_ci) if skip else [0, 1, 0]
    elif not lines:
        total = {"OK": [1, 0, 0], "SKIP": count_skip(text, in_ci)}.get(record["result"], [0, 1, 0])
    if record["result"] not in ("OK", "SKIP") and total[1] == 0:
        total[1] = 1
    return total


def excerpt(record):
    """What a reader needs of a failed record: TAP's failures and comments, the end of stderr."""
    lines = (record.get("stdout") or "").splitlines()
    if TAP_LINE.search("\n".join(lines)):
        lines = [line for line in lines if not line.startswith("ok ")]
    lines = lines[-80:] + (record.get("stderr") or "").splitlines()[-40:]
    return "".join(f"    {line}\n" for line in lines)


def main(path):
    """Sums the file and prints the three numbers."""
    in_ci = os.environ.get("CI") == "true"
    total = [0, 0, 0]
    with open(path, encoding="utf-8") as log:
        for line in log:
            record = json.loads(line)
            one = count(record, in_ci)
            total = [a + b for a, b in zip(total, one)]
            if one[1]:
                print(f"failed: {record['name']} ({record['result']})\n" + excerpt(record),
                      end="", file=sys.stderr)
    print(*total)


if __name__ == "__main__":
    main(sys.argv[1])
