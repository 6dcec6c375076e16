# SPDX-License-Identifier: MIT
"""test_tidy.py: every rule of tidy.py and archive.py fires on a small bad tree, and none on a good
one. A case is (rule, {path: text that replaces or joins the good tree}, what the finding says)."""
import os
import subprocess
import sys
import tempfile

import archive
import tidy

SPDX = "/* SPDX-License-Identifier: MIT */\n"
STORY = SPDX + "/* What this is, and what holds. */\n"


def header(name, body, story=STORY):
    """A header with its guard."""
    return f"{story}#ifndef {name}\n#define {name}\n{body}#endif\n"


PROTOTYPE = "/* Version of the library. Constant; needs no memory. [pure] */\n" \
            "uint32_t swarm_version(void);\n"
GOOD = {
    "swarm.h": header("SWARM_H", "#include <stdint.h>\n" + PROTOTYPE),
    "src/all.c": SPDX + '#include "core/version.c"\n',
    "src/base/atomic.h": header("SWARM_BASE_ATOMIC_H", "#include <stdatomic.h>\n"),
    "src/base/list.h": header("SWARM_BASE_LIST_H", "#include <stdint.h>\n"),
    "src/graph/step.h": header("SWARM_GRAPH_STEP_H", '#include "../base/list.h"\n'),
    "src/dispatch/run.h": header("SWARM_DISPATCH_RUN_H", '#include "../graph/step.h"\n'),
    "src/dispatch/vote.h": header("SWARM_DISPATCH_VOTE_H", '#include "../base/list.h"\n'),
    "src/core/version.c": STORY + '#include "../../swarm.h"\n'
                                  "uint32_t swarm_version(void) {\n    return 1;\n}\n",
    "backends/mock/swarm_mock.h": header("SWARM_MOCK_H", '#include "swarm.h"\n'),
    "tests/meson.build": "# SPDX-License-Identifier: MIT\nunit = ['base']\n",
    "tests/test_base.c": SPDX + "int main(void) {\n    return 0;\n}\n",
    "meson.build": "# SPDX-License-Identifier: MIT\n",
    "LICENSE": "MIT License\n",
    ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n"
                     "AllowShortFunctionsOnASingleLine: None\n",
}


def core(body, story=STORY):
    """A change of the one file of core."""
    return {"src/core/version.c": story + '#include "../../swarm.h"\n'
            "uint32_t swarm_version(void) {\n    return 1;\n}\n" + body}


def public(body):
    """A change of swarm.h."""
    return {"swarm.h": header("SWARM_H", "#include <stdint.h>\n" + PROTOTYPE + body)}


def function(body, head="static int f(int x)"):
    """A function around these lines."""
    return f"{head} {{\n{body}}}\n"


NESTED = ("    for (;;) {\n        if (x) {\n            while (x)\n                switch (x) {\n"
          "                case 1:\n                    if (x) return 1;\n                }\n"
          "        } else if (x) {\n        }\n    }\n")
WORK = "/wo" "rk/x"

CASES = [
    ("layout", {"extra.c": SPDX}, "extra.c:1"),
    ("lines", core("/* " + "x" * 99 + " */\n"), "105 columns"),
    ("lines", core("\tint x;\n"), "a tab"),
    ("lines", core("int x; \n"), "blanks at the end"),
    ("lines", core("/* \u00e9 */\n"), "U+00E9"),
    ("lines", core("\n\n"), "exactly one newline"),
    ("spdx", core("", story="/* What this is. */\n"), "0 SPDX lines"),
    ("spdx", core(SPDX), "2 SPDX lines"),
    ("words", core("/* TO" "DO: more */\n"), "unfinished"),
    ("words", {"docs/x.md": f"see {WORK}\n"}, "docs/x.md:1: a path of one machine"),
    ("files", core("/* */\n" * 800), "split it by nouns, at most 800"),
    ("files", {"src/base/list.h": header("SWARM_BASE_LIST_H", "/* */\n" * 400)}, "at most 400"),
    ("files", {"src/base/list.h": header("SWARM_BASE_LIST_H", "", SPDX)}, "no story"),
    ("files", core("", story=SPDX + "/* x\n" + " * x\n" * 40 + " */\n"), "a story of 42"),
    ("functions", core(function("    x++;\n" * 59)), "f: 61 lines"),
    ("functions", core(function("", "static int f(int a, int b, int c, int d, int e, int g)")),
     "6 parameters"),
    ("functions", core(function(NESTED)), "nested 5 deep"),
    ("functions", {"tests/test_base.c": SPDX + function("    x++;\n" * 59)}, "tests/test_base.c"),
    ("recursion", core(function("    return f(x - 1);\n")), "f -> f"),
    ("recursion", core("static int g(int);\n" + function("    return g(x);\n")
                       + function("    return f(x);\n", "static int g(int x)")), "f -> g -> f"),
    ("recursion", core("#define G(x) f(x)\n" + function("    return G(x);\n")), "G -> f -> G"),
    ("floors", {"src/base/list.h": header("SWARM_BASE_LIST_H", '#include "../graph/step.h"\n')},
     "src/graph/step.h is not below"),
    ("floors", {"src/graph/step.h": header("SWARM_GRAPH_STEP_H", '#include "../base/no.h"\n')},
     "not found"),
    ("floors", {"src/dispatch/vote.h": header("SWARM_DISPATCH_VOTE_H", '#include "run.h"\n')},
     "src/dispatch/run.h is not below"),
    ("floors", core("#include <stdio.h>\n"), "<stdio.h>"),
    ("floors", public("#include <limits.h>\n"), "includes limits.h"),
    ("floors", {"backends/mock/mock.c": STORY + '#include "../../src/base/list.h"\n'},
     "only swarm.h"),
    ("floors", {"docs/examples/a.c": STORY + '#include "src/base/list.h"\n'}, "only swarm.h"),
    ("atomics", core("#include <stdatomic.h>\n"), "<stdatomic.h>"),
    ("atomics", core("static void f(int *x) {\n    __atomic_fetch_add(x, 1, 5);\n}\n"), "__atomic"),
    ("atomics", core("static volatile int x;\n"), "volatile"),
    ("atomics", core('#define PAUSE() __asm__("pause")\n'), "__asm__"),
    ("banned", core(function('    printf("x");\n')), "printf() is banned"),
    ("banned", core("#define GET() malloc(1)\n"), "malloc() is banned"),
    ("banned", core(function("    time(0);\n")), "time() is banned"),
    ("banned", core("static const double x = 1;\n"), "double is banned"),
    ("banned", public("/* Size. */\ntypedef long swarm_size;\n"), "long is banned"),
    ("banned", {"tests/test_base.c": SPDX + function("    goto out;\nout:\n    return 0;\n")},
     "goto is banned"),
    ("names", core("void step_free(void) {\n}\n"), "step_free is external"),
    ("names", core("const int table[2] = {1, 2};\n"), "table is external"),
    ("names", core("#define __X 1\n"), "belong to the compiler"),
    ("names", core("typedef int step_t;\n"), "no _t"),
    ("names", public("/* Limit. */\n#define LIMIT 1\n"), "macro LIMIT"),
    ("names", public("/* Kinds. */\nenum {\n    KIND_A = 1 /* a */\n};\n"), "enumerator KIND_A"),
    ("guards", {"src/base/list.h": STORY + "#include <stdint.h>\n"}, "no include guard"),
    ("header", public("/* U. */\ntypedef union swarm_u {\n    int x; /* x */\n} swarm_u;\n"),
     "a union"),
    ("header", public("/* E. */\ntypedef enum swarm_e {\n    SWARM_A /* a */\n} swarm_e;\n"),
     "no fixed width"),
    ("header", public("/* S. */\ntypedef struct swarm_s {\n    int x : 3; /* x */\n} swarm_s;\n"),
     "bitfield"),
    ("header", public("/* M. */\n#define SWARM_M(x) (x)\n"), "function-like macro"),
    ("header", public("/* S. */\ntypedef struct swarm_s {\n    int x; /* x */\n} swarm_other;\n"),
     "name both alike"),
    ("header", public("int swarm_long_long_long_name_of_a_function(int aaaaaaaaaaaa);\n" * 3),
     "% prose"),
    ("documented", public("\nint swarm_step_add(void);\n"), "swarm_step_add: no comment above"),
    ("documented", public("int swarm_step_add(void);\n"), "doesn't name it"),
    ("documented", public("/* Adds. */\nint swarm_step_add(void);\n"), "who may call it"),
    ("documented", public("/* S. */\ntypedef struct swarm_s {\n    int x;\n    int y; /* y */\n"
                          "} swarm_s;\n"), "x: no comment above it"),
    ("documented", public("/* E. */\nenum {\n    SWARM_A = 1,\n    SWARM_B = 2 /* b */\n};\n"),
     "SWARM_A: no comment above it"),
    ("documented", public("\n#define SWARM_LIMIT 1\n"), "macro SWARM_LIMIT"),
    ("api", public("/* Old text. [pure] */\nint swarm_step_add(void);\n"), "docs/api.md:1"),
    ("lists", {"src/core/more.c": STORY}, 'add #include "core/more.c"'),
    ("lists", {"tests/test_more.c": SPDX}, "add 'more' to tests/meson.build"),
    ("abbreviations", core(function("    int step_idx = x;\n    return step_idx;\n")),
     "step_idx: write index for idx"),
    ("format", core("static int x  =  1;\n"), "run clang-format"),
    ("archive gcc", core("void step_free(void);\nvoid step_free(void) {\n}\n"),
     "symbol step_free"),
    ("archive gcc", core("uint32_t swarm__count;\n"), "bytes in .bss"),
    ("archive clang", core("uint32_t swarm__count = 1;\n"), "bytes in .data"),
    ("archive gcc", core("int swarm__x(int);\nint more(int);\n"
                         + function("    return more(x);\n", "int swarm__x(int x)")),
     "the core needs more"),
    ("archive gcc", core("int x = ;\n"), "does not compile"),
    ("archive tcc", core("#include <stdatomic.h>\n"), "tcc does not compile"),
    ("two renamed", core("int swarm__no(void);\nint swarm__x(void);\nint swarm__x(void) {\n"
                         "    return swarm__no();\n}\n"), "two renamed copies"),
]


def write(root, files):
    """Writes {path: text} below root."""
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


def findings(files, only=""):
    """[(rule, "path:line: text")] of a tree with these files, by rules beginning with `only`."""
    with tempfile.TemporaryDirectory() as root:
        write(root, files)
        tree = tidy.Tree(root)
        checks = [(rule.__name__[5:], lambda rule=rule: rule(tree)) for rule in tidy.RULES]
        checks += archive.checks(root, tree.public_headers(), None)
        chosen = [check for check in checks if check[0].startswith(only)]
        return [(name, f"{path}:{line}: {text}") for name, check in chosen
                for path, line, text in check()]


def good_tree():
    """GOOD with its derived page."""
    headers = {p: t for p, t in GOOD.items() if p.endswith(("swarm.h", "swarm_mock.h"))}
    return dict(GOOD, **{"docs/api.md": tidy.api.render(headers)})


def check_exports():
    """The exports of a library that lacks a declared function and has one too many."""
    with tempfile.TemporaryDirectory() as root:
        write(root, dict(GOOD, **{"x.c": "int swarm_extra(void) {\n    return 0;\n}\n"}))
        library = os.path.join(root, "x.so")
        subprocess.run(["gcc", "-shared", "-fPIC", os.path.join(root, "x.c"), "-o", library],
                       check=True)
        texts = [text for _, _, text in archive.check_exports(root, ["swarm.h"], library)]
        return [text.split(",")[0] for text in texts] == ["swarm_version is declared",
                                                          "swarm_extra is exported"]


def main():
    """One TAP line a case."""
    print(f"1..{len(CASES) + 2}", flush=True)
    good, failures = good_tree(), 0
    results = [("a good tree", not (found := findings(good)), found),
               ("exports", check_exports(), [])]
    for rule, change, text in CASES:
        found = findings(dict(good, **change), rule)
        fires = any(text in finding for _, finding in found)
        results.append((f"{rule}: {text}", fires, found))
    for number, (name, passed, found) in enumerate(results, 1):
        failures += not passed
        if not passed:
            print("".join(f"# found {pair}\n" for pair in found or ["nothing"]), end="")
        print(f"{'ok' if passed else 'not ok'} {number} - {name}".replace("#", "(hash)"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
