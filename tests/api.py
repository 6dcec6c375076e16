# SPDX-License-Identifier: MIT
"""api.py [--check] [ROOT]: derives docs/api.md from swarm.h and the backends' headers.

Fails on a public function, type, field, enumerator or macro without a comment, and on a function
that doesn't say which threads may call it. --check writes nothing and fails also when docs/api.md
is not current; tidy.py does the same.

The convention: a block comment stands immediately above each declaration. Neighbours of one kind
without a blank line between them share the comment; a function must be named in it. A field or an
enumerator has a comment above it or behind it. A comment of dashes and a name begins a section.
"""
import argparse
import os
import re
import sys
from dataclasses import dataclass, field

import csource

THREAD_TAGS = ("[owner]", "[any]", "[worker]", "[call]", "[pure]")
SECTION = re.compile(r"^/\*\s*-{4,}\s*(.*?)\s*\*/$")
KINDS = {"prototype": "function", "type": "type", "enum": "enum", "macro": "macro"}


@dataclass
class Entry:
    """Declarations that share one comment; without any, a section (heading) or free prose."""

    heading: str
    prose: str
    items: list = field(default_factory=list)


@dataclass
class Header:
    """What one header declares."""

    entries: list
    problems: list  # (line, text)
    functions: list  # names


def parse(text):
    """Reads one public header."""
    source = csource.read(text)
    header = Header([], [], [])
    items = [i for i in source.items if is_public(i)]
    comments = [c for c in source.comments if "SPDX" not in c.text]
    attached = attach(source, items, comments)
    inside = [(i.line, i.end_line) for i in items]
    events = [(i.line, i) for i in items]
    events += [(c.line, c) for c in comments
               if id(c) not in {id(a) for a in attached.values()}
               and not any(a <= c.line <= b for a, b in inside)]
    previous = None
    for _, thing in sorted(events, key=lambda pair: pair[0]):
        if isinstance(thing, csource.Token):
            header.entries.append(free_comment(thing))
            previous = None
        else:
            previous = add_item(header, thing, attached.get(id(thing)), previous, comments)
    return header


def is_public(item):
    """Whether an item has to be documented."""
    guard = item.kind == "macro" and not item.body
    return item.kind in KINDS and not (guard and re.search(r"_H_?$", item.name))


def attach(source, items, comments):
    """id(item) -> the comment right above it; directives may stand between."""
    code_lines = {t.line for t in source.code}
    directive_lines = {t.line for t in source.directives}
    ends = {c.end_line: c for c in comments if c.line not in code_lines}
    attached = {}
    for item in items:
        line = item.line - 1
        while line in directive_lines and line not in {i.line for i in items}:
            line -= 1
        comment = ends.get(line)
        if comment and not SECTION.match(comment.text):
            attached[id(item)] = comment
    return attached


def free_comment(comment):
    """A section's heading, or prose of its own."""
    match = SECTION.match(comment.text)
    return Entry(match.group(1), "") if match else Entry("", strip(comment.text))


def add_item(header, item, comment, previous, comments):
    """Files an item under its comment, or under its neighbour's; notes what is missing."""
    word = f"{KINDS[item.kind]} {item.name}".rstrip()
    if comment:
        entry = Entry("", strip(comment.text), [item])
        header.entries.append(entry)
    elif shares(previous, item):
        entry = previous
        entry.items.append(item)
        if item.kind == "prototype" and item.name not in entry.prose:
            header.problems.append((item.line, f"{word}: the comment above doesn't name it"))
    else:
        entry = Entry("", "", [item])
        header.entries.append(entry)
        header.problems.append((item.line, f"{word}: no comment above; say what it means"))
    if item.kind == "prototype":
        header.functions.append(item.name)
        if entry.prose and not any(tag in entry.prose for tag in THREAD_TAGS):
            header.problems.append((item.line, f"{word}: say who may call it, one of "
                                    + " ".join(THREAD_TAGS)))
    header.problems += undocumented_members(item, comments)
    return entry


def shares(entry, item):
    """Whether `item` stands right below the last item of `entry` and is of its kind."""
    if not entry or not entry.items:
        return False
    last = entry.items[-1]
    return last.kind == item.kind and last.end_line + 1 == item.line


def undocumented_members(item, comments):
    """(line, problem) of each field or enumerator without a comment."""
    texts = [t.text for t in item.tokens]
    if item.kind not in ("type", "enum") or "{" not in texts or item.lines == 1:
        return
    start = texts.index("{")
    inner = item.tokens[start + 1 : csource.closing(item.tokens, start)]
    above = {c.end_line for c in comments}
    behind = {c.line for c in comments}
    for member in members(inner, "," if item.kind == "enum" else ";"):
        first, last = member[0].line, member[-1].end_line
        if first - 1 in above and first - 1 not in {t.line for t in item.tokens}:
            continue
        if last not in behind:
            yield first, f"{member_name(member, item.kind)}: no comment above it or behind it"


def members(tokens, mark):
    """Splits a body at `mark`, brackets kept together."""
    found, start, i = [], 0, 0
    while i < len(tokens):
        if tokens[i].text in csource.OPEN:
            i = csource.closing(tokens, i)
        elif tokens[i].text == mark:
            found.append(tokens[start : i + 1])
            start = i + 1
        i += 1
    return found + ([tokens[start:]] if start < len(tokens) else [])


def member_name(member, kind):
    """The name of a field or an enumerator."""
    if kind == "enum":
        return member[0].text
    text = " ".join(t.text for t in member)
    match = re.search(r"\( \* (\w+)", text) or re.search(r"(\w+)(?: \[.*?\])* ;", text)
    return match.group(1) if match else text


def strip(comment):
    """A comment's words, without its marks."""
    lines = re.sub(r"^/\*+|\*+/$", "", comment.strip()).split("\n")
    lines = [re.sub(r"^\s*(\*|//) ?", "", line).rstrip() for line in lines]
    return "\n".join(lines).strip("\n").lstrip(" ")


def render(texts):
    """docs/api.md of {path: text of the header}."""
    out = ["<!-- Derived from the headers by tests/api.py: change them, then run it. -->", "# API"]
    for path in sorted(texts, key=lambda p: (p != "swarm.h", p)):
        header = parse(texts[path])
        lines = texts[path].split("\n")
        out += ["", f"# {path}", "", index(header)]
        for entry in header.entries:
            out += render_entry(entry, lines)
    return "\n".join(out) + "\n"


def index(header):
    """One line with a link for each function."""
    return " ".join(f"[{name}](#{name})" for name in header.functions)


def render_entry(entry, lines):
    """Heading, prose, declarations."""
    if entry.heading:
        return ["", f"## {entry.heading.capitalize()}"]
    out = [""]
    if entry.items:
        out += ["### " + ", ".join(title(item) for item in entry.items), ""]
    prose = re.sub(r"(?m)^([A-Z][A-Z, ]{3,})$", lambda m: "## " + m.group(1).capitalize(),
                   entry.prose)
    prose = re.sub(r"(?m)^  (?=\[)", "- ", prose)
    out += [prose] if prose else []
    if entry.items:
        code = "\n".join(declaration(item, lines) for item in entry.items)
        out += ["", "```c", re.sub(r"\bSWARM_API ", "", code), "```"]
    return out


def declaration(item, lines):
    """The text of an item, with the whole of a comment that begins behind it."""
    end = item.end_line
    while lines[end - 1].count("/*") > "\n".join(lines[item.line - 1 : end]).count("*/"):
        end += 1
    return "\n".join(lines[item.line - 1 : end])


def title(item):
    """What an entry is called in its heading."""
    if item.kind == "enum" and not item.name:
        names = [m[0].text for m in members(item.tokens[2:-2], ",")]
        return os.path.commonprefix(names) + r"\*"
    return item.name


def headers_of(root):
    """{path: text} of the public headers."""
    found = {}
    folder = os.path.join(root, "backends")
    names = ["swarm.h"]
    for backend in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        inside = sorted(os.listdir(os.path.join(folder, backend)))
        names += [f"backends/{backend}/{name}" for name in inside
                  if re.fullmatch(r"swarm_\w+\.h", name)]
    for name in names:
        if os.path.exists(os.path.join(root, name)):
            with open(os.path.join(root, name), encoding="utf-8") as file:
                found[name] = file.read()
    return found


def main():
    """Checks the headers, then writes or compares docs/api.md."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), ".."))
    options = parser.parse_args()
    texts = headers_of(options.root)
    problems = [f"{path}:{line}: {text}" for path in texts
                for line, text in parse(texts[path]).problems]
    wanted, path = render(texts), os.path.join(options.root, "docs", "api.md")
    stale = not os.path.exists(path) or open(path, encoding="utf-8").read() != wanted
    if stale and not options.check:
        with open(path, "w", encoding="utf-8") as file:
            file.write(wanted)
        stale = False
    if stale:
        problems.append("docs/api.md:1: not what the headers say; run python3 tests/api.py")
    for line in problems:
        print(line)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
