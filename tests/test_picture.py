#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_picture.py REPLAY: the pictures of a run, read by programs that were not written here.

The run of replay (300 agents, 4,000 steps) as Chrome trace, OTLP, DOT and page: parsed by Python's
json, laid out by Graphviz, opened by Chromium without a network. The rules of the formats are
checked on what was parsed. The same seed must give the same bytes. TAP; run from anywhere.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

KINDS = ["trace", "otlp", "dot", "html"]


def draw(replay, folder, *words):
    """Runs replay; the bytes of its four pictures."""
    paths = [os.path.join(folder, "run." + kind) for kind in KINDS]
    options = [word for kind, path in zip(KINDS, paths) for word in ("--" + kind, path)]
    subprocess.run([replay, *options, *words], check=True, stdout=subprocess.DEVNULL)
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(file.read())
    return found


def check_chrome(text):
    """Slices of a lane don't overlap, flows have both ends, counters and names are there."""
    events = json.loads(text)["traceEvents"]
    lanes = collections.defaultdict(list)
    flows = collections.defaultdict(set)
    for event in events:
        if event["ph"] == "X":
            lanes[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] in "sf":
            flows[event["id"]].add(event["ph"])
            assert event["ph"] == "s" or event["bp"] == "e"
    assert sum(map(len, lanes.values())) >= 3500
    for slices in lanes.values():
        slices.sort()
        for before, after in zip(slices, slices[1:]):
            assert before[1] <= after[0] + 0.002, (before, after)
    assert len(flows) > 2000 and all(both == {"s", "f"} for both in flows.values())
    named = {event["tid"] for event in events if event["ph"] == "M"}
    assert set(lanes) <= named
    running = [e["args"]["value"] for e in events if e["ph"] == "C" and e["name"] == "running"]
    assert max(running) <= 300 and running[-1] == 0
    spent = [e["args"]["value"] for e in events if e["name"] == "spent_nano"]
    assert spent == sorted(spent) and spent[-1] > 0


def check_otlp(text):
    """Ids are hexadecimal and unique, parents exist, 64-bit integers are strings."""
    scope = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]
    spans = scope["spans"]
    assert scope["schemaUrl"].startswith("https://opentelemetry.io/schemas/")
    ids = {span["spanId"] for span in spans}
    assert len(ids) == len(spans) >= 3500
    for span in spans:
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"]), span
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"]), span
        assert span.get("parentSpanId", span["spanId"]) in ids
        assert all(link["spanId"] in ids for link in span.get("links", []))
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
        assert isinstance(span["startTimeUnixNano"], str)
        keys = {a["key"]: a["value"] for a in span["attributes"]}
        assert keys["gen_ai.operation.name"]["stringValue"] in ("invoke_workflow", "invoke_agent",
                                                                "plan")
        assert "gen_ai.provider.name" in keys
        assert all(isinstance(v, str) for value in keys.values() for v in value.values())
        assert (span["status"]["code"] == 1) == ("error.type" not in keys) or \
            "parentSpanId" not in span
    assert sum("parentSpanId" not in span for span in spans) == 1


def check_dot(text, tiny):
    """Graphviz lays both out: the large run collapsed, the small one step by step."""
    if shutil.which("dot") is None:
        return "graphviz is missing"
    for drawing, least in ((text, 4), (tiny, 5)):
        laid = subprocess.run(["dot", "-Tplain"], input=drawing, check=True, timeout=60,
                              stdout=subprocess.PIPE).stdout.decode()
        assert sum(line.startswith("node ") for line in laid.splitlines()) >= least
    return None


def open_page(chromium, path, *words):
    """What Chromium makes of a page, without a network."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--proxy-server=127.0.0.1:9", "--user-data-dir=" + home, *words, "file://" + path],
            check=True, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode()


def check_html(text, folder):
    """The page stands alone, its script runs through, and its numbers are those of the run."""
    assert not re.search(rb'(src|href)\s*=|url\(|@import|fetch\(|XMLHttp', text)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return "chromium is missing"
    begun = time.time()
    page = open_page(chromium, os.path.join(folder, "run.html"), "--dump-dom")
    print(f"# {len(text)} bytes; Chromium started, drew and ended in {time.time() - begun:.1f} s")
    assert 'data-ready="1"' in page, "the script did not run to its end"
    assert "4000 steps, 4000 ok" in page
    rows = {name: page.split(f'id="{name}"')[1].split("</table>")[0].count("<tr>")
            for name in ("chain", "stalls", "retries", "agents", "notes")}
    assert rows["chain"] > 20 and rows["stalls"] == 41 and rows["retries"] > 50, rows
    assert rows["agents"] == 41 and rows["notes"] == 1, rows
    assert page.count('class="meter"') == 6, "five, and the script's own"
    shot = os.path.join(folder, "shot.png")
    open_page(chromium, os.path.join(folder, "run.html"), "--window-size=1500,1100",
              "--screenshot=" + shot)
    assert os.path.getsize(shot) > 50000, "an empty page"
    return None


def main():
    """Draws once, then looks."""
    replay = os.path.abspath(sys.argv[1])
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        first = draw(replay, folder)
        tiny = draw(replay, other, os.path.join(here, "data", "tiny.dag"))
        again = draw(replay, other, "--workers", "3")
        tests = {
            "chrome": lambda: check_chrome(first[0]),
            "otlp": lambda: check_otlp(first[1]),
            "dot": lambda: check_dot(first[2], tiny[2]),
            "html": lambda: check_html(first[3], folder),
            "the same bytes for any number of workers": lambda: differ(first, again),
        }
        bad = 0
        for number, (name, test) in enumerate(tests.items(), 1):
            skipped = None
            try:
                skipped = test()
                good = True
            except AssertionError as wrong:
                good = False
                print("# " + repr(wrong)[:500])
            bad += not good
            print(f"{'' if good else 'not '}ok {number} - {name}"
                  + (f" # SKIP {skipped}" if skipped else ""))
        print(f"1..{len(tests)}")
    return bad != 0


def differ(one, two):
    """Fails when two sets of pictures differ."""
    assert one == two, [kind for kind, a, b in zip(KINDS, one, two) if a != b]


if __name__ == "__main__":
    sys.exit(main())
