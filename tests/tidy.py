# SPDX-License-Identifier: MIT
"""tidy.py [--tap] [--library FILE] [--no-archive] [ROOT]: the rules of docs/style.md as a test.

Prints `file:line: what is wrong; what to do` for each finding and exits 1 when there is one.
--tap prints one TAP line a rule instead. The rules on object files are in archive.py; --library
names the shared library, whose exports must be the functions of the public headers.
Each rule is a generator over a Tree that yields (path, line, text); test_tidy.py shows each one a
small bad tree.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys

import api
import archive
import csource

TOP = "meson.build swarm.h src backends tests bench fuzz docs README.md LICENSE".split()
SOURCE_ENDINGS = (".c", ".h", ".cpp", ".py", ".sh", ".cu", "meson.build", ".ci/run")
C_ENDINGS = (".c", ".h", ".cu")
LINE_MAX, FILE_MAX, HEADER_MAX = 100, 800, 400
FUNCTION_MAX, SWITCH_MAX, FUNCTION_GOOD = 60, 100, 35
PARAMETERS_MAX, NESTING_MAX, STORY_MAX = 5, 4, 40

# The one central switch: file -> function that may be SWITCH_MAX lines long.
CENTRAL_SWITCH = {}

# Who may include whom. Modules of dispatch know each other only through these headers.
FLOORS = {
    "base": {"base"},
    "graph": {"base", "graph"},
    "dispatch": {"base", "graph"},
    "record": {"base", "record"},
    "core": {"base", "graph", "dispatch", "record", "core"},
    "host": {"base", "host"},
}
# Records and names that several modules of dispatch know; all else meets in the core.
DISPATCH_SHARED = {"src/dispatch/" + name + ".h"
                   for name in ("table skill skillset charge shape state tenant wait prefix "
                                "duration").split()}
PUBLIC_INCLUDES = {"stdbool.h", "stddef.h", "stdint.h"}
CORE_INCLUDES = PUBLIC_INCLUDES | {"string.h", "limits.h", "assert.h", "stdalign.h"}
ATOMIC_H = "src/base/atomic.h"
ASKS_PROCESSOR = "src/base/crc32.h"  # whether it has an instruction; nothing shared in that

PRINTING = "printf fprintf sprintf snprintf vprintf vsnprintf puts putchar fputs fopen fwrite"
LEAVING = "exit abort _Exit quick_exit setjmp longjmp getenv system assert"
ALLOCATING = "malloc calloc realloc free strdup alloca aligned_alloc posix_memalign"
CLOCKS = "time clock clock_gettime gettimeofday timespec_get nanosleep usleep sleep rand srand"
NUMBERS = "float double long"
THREAD_LOCAL = "_Thread_local __thread thread_local"
# Folder -> (names that may not be called, words that may not stand there). Longest prefix wins.
BANNED = {
    "": ("", "goto"),
    "src": (f"{PRINTING} {LEAVING} {ALLOCATING} {CLOCKS}", f"{NUMBERS} {THREAD_LOCAL} goto"),
    "src/host": (f"{PRINTING} {LEAVING}", f"float double {THREAD_LOCAL} goto"),
    "backends": (f"{PRINTING} {LEAVING} {ALLOCATING} {CLOCKS}", f"{NUMBERS} {THREAD_LOCAL} goto"),
    "backends/moe": (f"{PRINTING} {LEAVING} {ALLOCATING} {CLOCKS}", f"long {THREAD_LOCAL} goto"),
}
SHARING = re.compile(r"^(__atomic_\w+|__sync_\w+|volatile|__volatile__|asm|__asm__|__asm)$")

# Abbreviation -> the word. What docs/style.md allows is not listed here.
WORDS = dict(
    pair.split("=")
    for pair in """ctx=context cfg=config ptr=pointer buf=buffer idx=index cnt=count num=count
    msg=message cb=callback fn=function func=function tmp=what_it_is temp=what_it_is len=length
    sz=size prev=previous cur=current pos=position val=value addr=address arg=argument
    args=arguments attr=attribute desc=description dst=to src=from elem=element err=error
    evt=event iter=iterator mem=memory obj=object param=parameter params=parameters
    pred=predecessor preds=predecessors succ=successor succs=successors req=request
    reqs=requests res=result resp=response ret=result seq=sequence str=string prio=priority
    sched=schedule thr=thread usr=user util=what_it_does ver=version dep=dependency
    deps=dependencies calc=compute tbl=table hdr=header flg=flag lst=list sem=semaphore
    mtx=mutex cond=condition btn=button dir=direction conf=confidence comp=completion
    gen=generation ord=ordinal""".split()
)
FOREIGN = re.compile(r"seq_cst$|pthread|sched_|sys|SYS|epoll|EPOLL|clock|CLOCK|FUTEX|mem|str|__")
UNFINISHED = re.compile("|".join(r"\b%s%s\b" % pair for pair in
                                 [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK")]))
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:%s)/[\w.]" % "|".join(["wo" "rk", "ho" "me", "ro" "ot"]))
ALLOWED_PATHS = ()


class Tree:
    """The files of a repository, read once."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(list_files(root))
        self.texts = {}
        for path in self.paths:
            try:
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    self.texts[path] = file.read()
            except UnicodeDecodeError:
                pass  # data
        self.sources = {p: csource.read(t) for p, t in self.texts.items() if p.endswith(C_ENDINGS)}

    def c_files(self, *folders):
        """(path, Source) of the C files in these folders, or of exactly these files."""
        for path, source in self.sources.items():
            if any(path == f or path.startswith(f + "/") for f in folders):
                yield path, source

    def public_headers(self):
        """swarm.h and the backends' headers."""
        return [p for p in self.sources
                if p == "swarm.h" or re.fullmatch(r"backends/\w+/swarm_\w+\.h", p)]


def list_files(root):
    """Tracked and not ignored files; without git, everything but build folders."""
    command = ["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0 and done.stdout:
        names = done.stdout.decode().split("\0")
        return {n for n in names if n and os.path.isfile(os.path.join(root, n))}
    found = set()
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not re.match(r"build(-|$)|\.git$|__pycache__$", f)]
        found |= {os.path.relpath(os.path.join(folder, f), root) for f in files}
    return found


# ---- Rules on text -----------------------------------------------------------------------------


def rule_layout(tree):
    """The top folder holds what design.md says, and dotfiles."""
    for name in sorted({path.split("/")[0] for path in tree.paths}):
        if name not in TOP and not name.startswith("."):
            yield name, 1, "not part of the top folder; move it into one of: " + " ".join(TOP)


def source_files(tree):
    """(path, text) of what people wrote as source."""
    for path, text in tree.texts.items():
        if path.endswith(SOURCE_ENDINGS):
            yield path, text


def rule_lines(tree):
    """Columns, tabs, blanks at the end, ASCII, a newline at the end."""
    for path, text in source_files(tree):
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_MAX:
                yield path, number, f"{len(line)} columns; break it at {LINE_MAX}"
            if "\t" in line:
                yield path, number, "a tab; use 4 spaces"
            if line != line.rstrip():
                yield path, number, "blanks at the end of the line; remove them"
            if not line.isascii():
                bad = next(c for c in line if ord(c) > 127)
                yield path, number, f"character U+{ord(bad):04X}; write it in ASCII"
        if not text.endswith("\n") or text.endswith("\n\n"):
            yield path, text.count("\n") + 1, "end the file with exactly one newline"


def rule_spdx(tree):
    """One licence line a file, near its top."""
    for path, text in source_files(tree):
        places = [i for i, line in enumerate(text.split("\n"), 1)
                  if re.match(r"\W*SPDX-License-Identifier: MIT\b", line)]
        if len(places) != 1:
            yield path, 1, f"{len(places)} SPDX lines; begin with `SPDX-License-Identifier: MIT`"
        elif places[0] > 3:
            yield path, places[0], "the SPDX line belongs at the top of the file"


def rule_words(tree):
    """Nothing unfinished, no path of one machine."""
    for path, text in tree.texts.items():
        source = path.endswith(SOURCE_ENDINGS)
        for number, line in enumerate(text.split("\n"), 1):
            if source and UNFINISHED.search(line):
                yield path, number, "marks unfinished work; finish it, or file an issue"
            if MACHINE_PATH.search(line) and path not in ALLOWED_PATHS:
                yield path, number, "a path of one machine; make it relative"


def rule_files(tree):
    """Lengths of files, and of the story at their top."""
    for path, source in tree.sources.items():
        count = source.text.count("\n")
        limit = HEADER_MAX if path.startswith("src/") and path.endswith(".h") else FILE_MAX
        if path != "swarm.h" and count > limit:
            yield path, limit + 1, f"{count} lines; split it by nouns, at most {limit}"
        story = [c for c in source.comments if c.line < 4 and "SPDX" not in c.text]
        if path.startswith(("src/", "backends/")):
            lines = sum(c.end_line - c.line + 1 for c in story)
            told = path == "src/all.c" or path[:-2] + ".h" in tree.sources and path.endswith(".c")
            if not lines and not told:
                yield path, 1, "no story at the top; say what this is and what holds"
            if lines > STORY_MAX and path not in tree.public_headers():
                yield path, 1, f"a story of {lines} lines; tell it in {STORY_MAX}"


# ---- Rules on C --------------------------------------------------------------------------------


def functions(tree, *folders):
    """(path, item) of each function defined in these folders."""
    for path, source in tree.c_files(*folders):
        for item in source.items:
            if item.kind == "function":
                yield path, item


ALL_C = ("src", "backends", "tests", "bench", "fuzz", "docs")


def rule_functions(tree):
    """Length, parameters, nesting."""
    for path, item in functions(tree, *ALL_C):
        limit = SWITCH_MAX if CENTRAL_SWITCH.get(path) == item.name else FUNCTION_MAX
        if item.lines > limit:
            yield path, item.line, f"{item.name}: {item.lines} lines; split it, at most {limit}"
        if item.parameters > PARAMETERS_MAX:
            yield path, item.line, (f"{item.name}: {item.parameters} parameters; group them in a "
                                    f"struct, at most {PARAMETERS_MAX}")
        depth = csource.nesting(item.body)
        if depth > NESTING_MAX:
            yield path, item.line, (f"{item.name}: nested {depth} deep; return early or name the "
                                    f"inner part, at most {NESTING_MAX}")


def rule_recursion(tree):
    """No function or macro of src and backends reaches itself."""
    nodes = {}
    for path, source in tree.c_files("src", "backends", "swarm.h"):
        for item in source.items:
            if item.kind in ("function", "macro"):
                nodes.setdefault(item.name, []).append((path, item))
    known = {n for n, all_of in nodes.items() if any(i.body for _, i in all_of)}
    edges = {n: set().union(*(csource.calls(i, known) for _, i in nodes[n])) for n in known}
    for name in sorted(known):
        path, item = nodes[name][0]
        if item.kind == "macro" and name in edges[name]:
            edges[name].discard(name)  # the preprocessor never expands a macro inside itself
        cycle = find_cycle(name, edges)
        if cycle and min(cycle) == name:
            yield path, item.line, "recursion " + " -> ".join(cycle) + "; use a loop and a stack"


def find_cycle(start, edges):
    """A shortest way from `start` back to itself, or None."""
    came_from, queue = {}, [start]
    for name in queue:
        for to in sorted(edges.get(name, ())):
            if to == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1] + [start]
            if to not in came_from:
                came_from[to] = name
                queue.append(to)
    return None


def resolve(path, name):
    """The repository path of `#include "name"` in `path`, relative to that file."""
    return os.path.normpath(os.path.join(os.path.dirname(path), name))


def may_include(path, target):
    """Whether src file `path` may include repository file `target`."""
    if target == "swarm.h":
        return True
    floor, other = path.split("/")[1], target.split("/")[1] if target.count("/") > 1 else ""
    if floor == "dispatch" and other == "dispatch":
        stem = os.path.splitext(path)[0]
        return target in DISPATCH_SHARED or target == stem + ".h"
    return target.startswith("src/") and other in FLOORS.get(floor, ())


def rule_floors(tree):
    """base < graph < dispatch, record < core; host and the backends stand beside."""
    for path, source in tree.c_files("src"):
        if path == "src/all.c":
            continue
        for line, name, angle in source.includes():
            if angle:
                if not path.startswith("src/host/") and name not in CORE_INCLUDES and not (
                        path == ATOMIC_H and name in ("stdatomic.h", "atomic")):
                    yield path, line, f"<{name}>: the core includes only " + " ".join(
                        sorted(CORE_INCLUDES))
                continue
            target = resolve(path, name)
            if target not in tree.texts:
                yield path, line, f'"{name}" is not found from this file; includes are relative'
            elif not may_include(path, target):
                yield path, line, f"{target} is not below this file (docs/style.md, Floors)"
    yield from outside_includes(tree)
    if "swarm.h" in tree.sources:
        for line, name, angle in tree.sources["swarm.h"].includes():
            if not angle or name not in PUBLIC_INCLUDES:
                yield "swarm.h", line, f"includes {name}; only " + " ".join(sorted(PUBLIC_INCLUDES))


def outside_includes(tree):
    """Backends and examples see what a user sees."""
    for path, source in tree.c_files("backends", "docs"):
        own = os.path.dirname(path)
        for line, name, angle in source.includes():
            target = resolve(path, name)
            own_file = target in tree.texts and target.startswith(own + "/")
            if angle or own_file or "swarm.h" in (name, target):
                continue
            if own.startswith("docs") and name in tree.public_headers():
                continue
            yield path, line, f'"{name}": only swarm.h, public headers and files of {own}'


def rule_atomics(tree):
    """Sharing has one vocabulary, in one file."""
    for path, source in tree.c_files("src", "backends", "tests", "bench", "fuzz", "swarm.h"):
        for line, name, _ in source.includes():
            if name == "stdatomic.h" and path != ATOMIC_H:
                yield path, line, f"<stdatomic.h>; use {ATOMIC_H}"
        if path == ATOMIC_H or not path.startswith(("src/", "backends/", "swarm.h")):
            continue
        if path.endswith(".cu"):
            continue  # PTX has no other way in
        bodies = [t for i in source.items if i.kind == "macro" for t in i.body]
        for token in source.code + bodies:
            if token.text == "__asm__" and path == ASKS_PROCESSOR:
                continue
            if SHARING.match(token.text) or token.text == "_Atomic":
                yield path, token.line, f"{token.text}; only {ATOMIC_H} may say that"


def rule_banned(tree):
    """What an embedded library must not call, and words that the house does without."""
    for path, source in tree.sources.items():
        folder = max((f for f in BANNED if not f or path.startswith(f + "/")), key=len)
        if path == "swarm.h":
            folder = "src"
        called, words = (set(names.split()) for names in BANNED[folder])
        macros = [t for i in source.items if i.kind == "macro" for t in i.body + [None]]
        for before, token, after in triples(source.code + [None] + macros):
            if token.text in words:
                yield path, token.line, f"{token.text} is banned in {folder or 'this repository'}"
            elif token.text in called and after == "(" and before not in ("->", "."):
                yield path, token.line, (f"{token.text}() is banned in {folder}; the caller brings "
                                         "I/O, memory and time")


def triples(tokens):
    """(text before, token, text after) of each token; None parts what does not follow."""
    for i, token in enumerate(tokens):
        if token:
            near = [tokens[j].text if 0 <= j < len(tokens) and tokens[j] else "" for j in
                    (i - 1, i + 1)]
            yield near[0], token, near[1]


def rule_names(tree):
    """Prefixes, reserved names, typedefs."""
    public = tree.public_headers()
    for path, source in tree.sources.items():
        library = path.startswith(("src/", "backends/")) or path == "swarm.h"
        for item in source.items:
            if re.match(r"__|_[A-Z]", item.name) and item.name != "_GNU_SOURCE":
                if not (item.kind == "macro" and item.name.endswith("_SOURCE")):
                    yield path, item.line, f"{item.name}: names like this belong to the compiler"
            if item.kind == "type" and item.name.endswith("_t") and library:
                yield path, item.line, f"{item.name}: a typedef has no _t, it is its tag"
            external = item.kind in ("function", "prototype", "variable") and not item.static
            if library and external and not item.name.startswith("swarm_"):
                yield path, item.line, (f"{item.name} is external: name it swarm__{item.name}, "
                                        "or make it static")
            if path in public:
                yield from public_names(path, item)


def enumerators(item):
    """Names that an enum defines, as tokens."""
    start = next(i for i, t in enumerate(item.tokens) if t.text == "{")
    end = csource.closing(item.tokens, start)
    inner = item.tokens[start : end]
    return [b for a, b in zip(inner, inner[1:]) if a.text in ("{", ",") and b.kind == "name"]


def public_names(path, item):
    """Everything in a public header carries the prefix."""
    if item.kind == "macro" and not item.name.startswith("SWARM_"):
        yield path, item.line, f"macro {item.name} in a public header; begin it with SWARM_"
    if item.kind == "type" and not item.name.startswith("swarm"):
        yield path, item.line, f"type {item.name} in a public header; begin it with swarm_"
    if item.kind == "enum":
        for token in enumerators(item):
            if not token.text.startswith("SWARM_"):
                yield path, token.line, f"enumerator {token.text}; begin it with SWARM_"


def rule_guards(tree):
    """A header may be included twice."""
    for path, source in tree.sources.items():
        if path.endswith(".h"):
            first = [d.text.split() for d in source.directives[:2]]
            guarded = len(first) == 2 and first[0][0] == "#ifndef" and first[1][0] == "#define"
            if not guarded or first[0][1] != first[1][1]:
                yield path, 1, "no include guard; begin with #ifndef SWARM_..._H and #define it"


def rule_header(tree):
    """swarm.h: for C11 and C++11, for any compiler, for bindings; at least half prose."""
    if "swarm.h" not in tree.sources:
        return
    source = tree.sources["swarm.h"]
    for before, token, after in triples(source.code):
        if token.text == "union":
            yield "swarm.h", token.line, "a union; bindings can't see which member is valid"
        if token.text == "enum" and (before == "typedef" or after != "{"):
            yield "swarm.h", token.line, "an enum as a type has no fixed width; use uint32_t"
        if before == ":" and token.kind == "number":
            yield "swarm.h", token.line, "a bitfield has no fixed layout; use flags"
    for item in source.items:
        if item.kind == "macro" and item.parameters:
            yield "swarm.h", item.line, f"{item.name} is a function-like macro; make it a function"
        texts = [t.text for t in item.tokens]
        if item.kind == "type" and texts[:2] == ["typedef", "struct"] and "{" in texts:
            if texts[2] != item.name:
                yield "swarm.h", item.line, f"tag {texts[2]} of {item.name}; name both alike"
    share = prose_share(source)
    if share < 50:
        yield "swarm.h", 1, f"{share} % prose; a newcomer reads it alone, at least half"


def prose_share(source):
    """Per cent of a file's letters that stand in comments."""
    prose = sum(len("".join(re.findall(r"\w", c.text))) for c in source.comments)
    everything = len("".join(re.findall(r"\w", source.text)))
    return prose * 100 // max(1, everything)


def rule_documented(tree):
    """Every public function, type, field, enumerator and macro says what it means."""
    for path in tree.public_headers():
        for line, text in api.parse(tree.texts[path]).problems:
            yield path, line, text


def rule_api(tree):
    """docs/api.md is what the headers say."""
    headers = tree.public_headers()
    if "swarm.h" in headers:
        wanted = api.render({path: tree.texts[path] for path in headers})
        if tree.texts.get("docs/api.md") != wanted:
            yield "docs/api.md", 1, "not what the headers say; run python3 tests/api.py"


def rule_lists(tree):
    """What exists is built: src/all.c and the Meson files name every source."""
    every = tree.texts.get("src/all.c", "")
    for path in tree.c_files("src") if every else ():
        name = path[0][len("src/"):]
        if name.endswith(".c") and name != "all.c" and f'"{name}"' not in every:
            yield path[0], 1, f'not built; add #include "{name}" to src/all.c'
    for folder, pattern in (("tests", r"test_(\w+)\.c"), ("tests", r"(test_\w+\.py)"),
                            ("bench", r"((?:bench|peer)_\w+\.c(?:pp)?)"),
                            ("docs/examples", r"(\w+)\.c")):
        names = tree.texts.get(folder + "/meson.build", "")
        for path in tree.paths:
            match = re.fullmatch(folder + "/" + pattern, path)
            if match and f"'{match.group(1)}'" not in names:
                yield path, 1, f"not built; add '{match.group(1)}' to {folder}/meson.build"


def rule_abbreviations(tree):
    """Whole words, but for the list in docs/style.md."""
    for path, source in tree.c_files("src", "backends", "swarm.h"):
        seen = set()
        for before, token, _ in triples(source.code):
            if token.kind != "name" or token.text in seen or FOREIGN.match(token.text):
                continue
            seen.add(token.text)
            for word in token.text.lower().split("_"):
                if word in WORDS:
                    yield path, token.line, f"{token.text}: write {WORDS[word]} for {word}"


def formatter():
    """clang-format 14, or None: other versions format otherwise."""
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
            if "version 14." in done.stdout:
                return name
    return None


def rule_format(tree):
    """clang-format 14 has nothing to change."""
    program, paths = formatter(), sorted(tree.sources)
    if not program or not paths:
        return
    done = subprocess.run([program, "--dry-run", *paths], cwd=tree.root, capture_output=True,
                          text=True, check=False)
    first = {}
    for path, line in re.findall(r"(?m)^(\S+?):(\d+):\d+: warning: code should be", done.stderr):
        first.setdefault(path, []).append(int(line))
    for path, lines in first.items():
        yield path, lines[0], f"not formatted in {len(lines)} places; run {program} -i {path}"


# ---- Running -----------------------------------------------------------------------------------

RULES = [
    rule_layout, rule_lines, rule_spdx, rule_words, rule_files, rule_functions, rule_recursion,
    rule_floors, rule_atomics, rule_banned, rule_names, rule_guards, rule_header, rule_documented,
    rule_api, rule_lists, rule_abbreviations, rule_format,
]


def figures(tree):
    """Lines that report what has no limit."""
    lengths = [item.lines for _, item in functions(tree, "src", "backends")]
    if lengths:
        good = sum(n <= FUNCTION_GOOD for n in lengths) * 100 / len(lengths)
        yield (f"{len(lengths)} functions in src and backends: median "
               f"{statistics.median(lengths):g} lines, {good:.0f} % at most {FUNCTION_GOOD}")
        asserts = sum(t.text == "SWARM_ASSERT" for _, s in tree.c_files("src") for t in s.code)
        yield f"{asserts / max(1, len(list(functions(tree, 'src')))):.2f} asserts a function in src"
    code = [source for _, source in tree.c_files("src")]
    if code:
        lines = sum(1 for s in code for line in s.text.split("\n") if line.strip())
        prose = sum(len(set().union(*(range(c.line, c.end_line + 1) for c in s.comments), set())
                        - {t.line for t in s.code}) for s in code)
        yield f"{prose * 100 // lines} % of the lines of src are comment (25 to 35)"
        tests = sum(t.count("\n") for p, t in tree.texts.items()
                    if p.startswith("tests/") and p.endswith((".c", ".h", ".py", ".sh")))
        yield f"{tests} lines of tests, {lines} of src: {tests / lines:.1f} (at least 1.5)"
    if not formatter():
        yield "format: not checked, clang-format 14 is not installed"
    if "swarm.h" in tree.sources:
        yield f"{prose_share(tree.sources['swarm.h'])} % of swarm.h is prose (at least 50)"


def main():
    """Runs every rule on a tree."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--tap", action="store_true")
    parser.add_argument("--library")
    parser.add_argument("--no-archive", action="store_true")
    parser.add_argument("root", nargs="?", default=os.path.join(os.path.dirname(__file__), ".."))
    options = parser.parse_args()
    tree = Tree(options.root)
    checks = [(rule.__name__[5:], lambda rule=rule: rule(tree)) for rule in RULES]
    if "src/all.c" in tree.texts and not options.no_archive:
        checks += archive.checks(options.root, tree.public_headers(), options.library)
    if options.tap:
        print(f"1..{len(checks)}", flush=True)
    count = 0
    for number, (name, check) in enumerate(checks, 1):
        found = list(check())
        count += len(found)
        for path, line, text in found:
            text = f"{path}:{line}: {text}"
            print("# " + text.strip().replace("\n", "\n# ") if options.tap else text)
        if options.tap:
            print(f"{'not ok' if found else 'ok'} {number} - {name}", flush=True)
    for line in figures(tree):
        print("# " + line)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
