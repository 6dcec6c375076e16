# SPDX-License-Identifier: MIT
"""test_wire.py WIRE: the program `wire` over recorded answers, corpora and its own options.

Recordings (../shared/wire) say what a correct client hands to its caller; for Anthropic's the
expectation is computed here, by another reader. llhttp's strict response cases must get the same
verdict and body bytes, but for the table DEVIATIONS.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

SHARED = os.path.join("..", "shared")
FEEDS = ("whole", "1", "7", "random:3")

# title of a case of llhttp's -> why this parser differs.
DEVIATIONS = {
    "HTTP/1.1 with keep-alive disabled and 204 status":
        "a complete response stands; what follows it poisons the connection",
    "HTTP/1.1 with keep-alive disabled, content-length":
        "a complete response stands; what follows it poisons the connection",
    "HTTP 304 with Content-Length": "no pipelining: the second message poisons",
    "HTTP 304 with Transfer-Encoding": "no pipelining: the second message poisons",
    "Should parse multiple events": "no pipelining: the second message poisons",
    "Content-Length reset when no body is received":
        "the case asks llhttp to skip the body, which an answer to POST never does",
    "RTSP response": "HTTP only",
    "ICE response": "HTTP only",
    "HTTP version 0.9": "HTTP/1.0 and 1.1 only",
    "`chunked` before other transfer-encoding": "only exactly `chunked` is understood",
    "multiple transfer-encoding where chunked is not the last one":
        "only exactly `chunked` is understood",
    "`chunkedchunked` transfer-encoding does not enable chunked enconding":
        "only exactly `chunked` is understood",
}

count = 0
failures = 0


def report(good, name, detail=""):
    """One TAP line."""
    global count, failures  # pylint: disable=global-statement
    count += 1
    failures += not good
    if not good and detail:
        print("# " + str(detail)[:2000].replace("\n", "\n# "))
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)


def skip(name):
    """A case that needs the shared folder."""
    global count  # pylint: disable=global-statement
    count += 1
    print(f"ok {count} - {name} # SKIP needs ../shared")


def run(*arguments):
    """Runs the program."""
    return subprocess.run([sys.argv[1], *arguments], capture_output=True, check=False)


def decode(path, *options):
    """What `wire decode` says."""
    done = run("decode", *options, path)
    return json.loads(done.stdout) if done.returncode == 0 else {"status": done.stderr.decode()}


# ---- Recordings --------------------------------------------------------------------------------


def compare(path, expected, options):
    """Differences of one recording, over all feeds."""
    for feed in FEEDS:
        got = decode(path, "--feed", feed, *options)
        for key, value in expected.items():
            if got.get(key) != value:
                yield f"{os.path.basename(path)} --feed {feed}: {key} {got.get(key)} not {value}"


def chat():
    """Every chat recording gives its meta file's expectation."""
    paths = sorted(glob.glob(os.path.join(SHARED, "wire", "chat", "*.meta.json")))
    if not paths:
        return skip("chat recordings")
    faults = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            meta = json.load(file)
        expected = {k: v for k, v in meta["expect"].items() if k != "events"}
        expected["status"] = "ok"
        options = [] if meta["stream"] else ["--no-stream"]
        faults += compare(path.replace(".meta.json", ".body"), expected, options)
    return report(not faults and len(paths) == 149, f"{len(paths)} chat recordings",
                  "\n".join(faults))


def blocks_of_stream(text):
    """(blocks, stop reason, usage, stopped) of a recorded stream, read with Python's json."""
    blocks, stop, usage, stopped = {}, None, {}, False
    for line in text.split("\n"):
        if not line.startswith("data:"):
            continue
        event = json.loads(line[5:])
        if event["type"] == "message_start":
            usage.update(event["message"]["usage"])
        elif event["type"] == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"], json="")
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            for key in ("text", "thinking"):
                if key in delta:
                    block[key] += delta[key]
            block["json"] += delta.get("partial_json", "")
        elif event["type"] == "message_delta":
            stop = event["delta"].get("stop_reason") or stop
            usage.update(event.get("usage", {}))
        stopped = stopped or event["type"] == "message_stop"
    return [blocks[i] for i in sorted(blocks)], stop, usage, stopped


def anthropic_expected(text, stream):
    """The expectation for one recording."""
    if stream:
        blocks, stop, usage, done = blocks_of_stream(text)
    else:
        whole = json.loads(text)
        blocks, stop, usage, done = whole["content"], whole["stop_reason"], whole["usage"], None
    used = [usage.get(k, 0) for k in ("input_tokens", "cache_read_input_tokens",
                                      "cache_creation_input_tokens")]
    return {
        "status": "ok", "error": None, "done": done, "finish_reason": stop,
        "content": "".join(b["text"] for b in blocks if b["type"] == "text"),
        "reasoning": "".join(b["thinking"] for b in blocks if b["type"] == "thinking"),
        "tool_calls": [(b["id"], b["name"], json.loads(b["json"] or "{}") if stream else b["input"])
                       for b in blocks if b["type"] == "tool_use"],
        "usage": {"prompt_tokens": sum(used), "completion_tokens": usage["output_tokens"],
                  "cached_tokens": usage.get("cache_read_input_tokens")},
    }


def anthropic():
    """The Anthropic recordings, arguments compared as values."""
    paths = sorted(glob.glob(os.path.join(SHARED, "wire", "anthropic", "*.meta.json")))
    if not paths:
        return skip("Anthropic recordings")
    faults = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            stream = json.load(file)["stream"]
        body = path.replace(".meta.json", ".body")
        with open(body, encoding="utf-8", newline="") as file:
            expected = anthropic_expected(file.read(), stream)
        for feed in FEEDS:
            options = ["--dialect", "anthropic", "--feed", feed] + ["--no-stream"] * (not stream)
            got = decode(body, *options)
            got["tool_calls"] = [(t["id"], t["name"], json.loads(t["arguments"]))
                                 for t in got.get("tool_calls", ())]
            if got != expected:
                faults.append(f"{os.path.basename(body)} {feed}: {got} not {expected}")
    return report(not faults and len(paths) == 18, f"{len(paths)} Anthropic recordings",
                  "\n".join(faults))


def json_corpus():
    """Exit status 0 or 1, as the file's name says."""
    paths = sorted(glob.glob(os.path.join(SHARED, "corpora", "json_test_suite", "[yn]_*.json")))
    if not paths:
        return skip("JSON corpus")
    faults = [p for p in paths
              if run("json", p).returncode != (os.path.basename(p)[0] == "n")]
    return report(not faults and len(paths) == 283, f"{len(paths)} JSON texts", faults)


# ---- llhttp's cases ----------------------------------------------------------------------------


def unescape(text):
    """The bytes that a block of llhttp's stands for."""
    def one(match):
        mark = match.group(1)
        if mark in "rntf":
            return {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}[mark]
        return chr(int(mark[1:], 16) if mark[0] == "x" else int(mark, 8))

    text = text[:-1] if text.endswith("\n") else text
    text = text.replace("\\\n", "").replace("\n", "\r\n")
    return re.sub(r"\\(r|n|t|f|x[0-9a-fA-F]{2}|[0-7]{1,3})", one, text).encode("latin-1")


def span(text):
    """The bytes that a span of a log stands for."""
    if text in ("lf", "cr"):
        return {"lf": b"\n", "cr": b"\r"}[text]
    return unescape(text[1:-1] + "\n").replace(b'\\"', b'"')


CASE = re.compile(r"^#+ ([^\n]*)$|"
                  r"<!-- meta=(\{[^\n]*?\}) ?-->\s*```http\n(.*?)```"
                  r"[^`]*(?:`.`[^`]*)?```log\n(.*?)```",
                  re.S | re.M)


def llhttp_cases():
    """(title, bytes, expected log) of each strict case."""
    for path in sorted(glob.glob(os.path.join(SHARED, "corpora", "llhttp_response", "*.md"))):
        with open(path, encoding="latin-1") as file:
            text = file.read()
        title = ""
        for match in CASE.finditer(text):
            title = match.group(1) or title
            if match.group(2) and json.loads(match.group(2))["type"] == "response":
                yield title, unescape(match.group(3)), match.group(4)


def llhttp():
    """Same verdict and same body bytes, or a deviation with its reason."""
    faults, seen, differing, number = [], set(), set(), 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "response")
        for title, raw, log in llhttp_cases():
            number += 1
            with open(path, "wb") as file:
                file.write(raw)
            got = json.loads(run("response", path).stdout)
            refused = got["error"] not in (None, "the connection ended inside the answer")
            body = b"".join(span(s) for s in re.findall(r"span\[body\]=(.*)", log))
            seen.add(title)
            same = bytes.fromhex(got["body"]).replace(b'\\"', b'"') == body
            if ("error code=" in log) != refused or not same:
                differing.add(title)
                if title not in DEVIATIONS:
                    faults.append(f"{title}: {got} {body}")
    if not number:
        return skip("llhttp's response cases")
    faults += [f"{t}: no longer deviates" for t in set(DEVIATIONS) & seen - differing]
    faults += [f"{t}: no such case" for t in set(DEVIATIONS) - seen]
    return report(not faults, f"{number} of llhttp's strict response cases", "\n".join(faults))


# ---- The program itself ------------------------------------------------------------------------


def usage():
    """Wrong usage exits 2."""
    wrong = [[], ["no"], ["decode"], ["decode", "--feed", "0", "x"], ["decode", "--feed", "x", "x"],
             ["decode", "--dialect", "x", "y"], ["decode", "a", "b"], ["decode", "--what", "x"],
             ["decode", "missing"], ["json"], ["json", "missing"], ["json", "a", "b"],
             ["response"], ["response", "missing"], ["request"], ["request", "--model", "m"],
             ["request", "--model"], ["request", "--model", "m", "--messages", "missing"],
             ["decode", "--feed", "random:", "x"], ["decode", "--feed"], ["decode", "--dialect"]]
    faults = [w for w in wrong if run(*w).returncode != 2]
    report(not faults, "wrong usage exits 2", faults)


def request_parts(raw):
    """(lines of the head, body) of a request; checks the length."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    length = [line for line in lines if line.lower().startswith("content-length:")]
    assert len(length) == 1 and int(length[0].split(":")[1]) == len(body)
    return lines, json.loads(body)


def request():
    """Requests are what was asked for, or are refused."""
    messages = [{"role": "user", "content": "h\u00e9 \"q\" \U0001F600\n"}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("messages", "tools", "bad")]
        for path, text in zip(paths, (json.dumps(messages), json.dumps(tools), "[1,]")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        model = "m\"\r\nX-Evil: 1\u00e9"
        done = run("request", "--model", model, "--messages", paths[0], "--tools", paths[1],
                   "--set", 'response_format={"type":"json_object"}', "--set", "seed=7")
        lines, body = request_parts(done.stdout)
        report(lines[0] == "POST /v1/chat/completions HTTP/1.1" and
               not any("Evil" in line for line in lines) and
               body == {"model": model, "messages": messages, "tools": tools, "seed": 7,
                        "stream": True, "stream_options": {"include_usage": True},
                        "response_format": {"type": "json_object"}}, "a request", done.stdout)
        done = run("request", "--model", "m", "--messages", paths[0], "--set", "stream=false")
        report(request_parts(done.stdout)[1]["stream"] is False, "a member set replaces ours")
        refused = [["--messages", paths[2]], ["--messages", paths[0], "--tools", paths[2]],
                   ["--messages", paths[0], "--set", "a=}"],
                   ["--messages", paths[0], "--set", "a=1", "--set", "a=2"],
                   ["--messages", paths[0], "--set", "model=1"]]
        faults = [r for r in refused if run("request", "--model", "m", *r).returncode != 1]
        report(not faults, "what is not JSON, or twice there, is refused", faults)


def main():
    """All of it."""
    chat()
    anthropic()
    json_corpus()
    llhttp()
    usage()
    request()
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
