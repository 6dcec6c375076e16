# SPDX-License-Identifier: MIT
"""A reader of C source that is just good enough for tidy.py and api.py.

It splits text into tokens (comments and preprocessor lines apart), groups the tokens at depth 0
into declarations, and measures functions. It expands no macro. What it can't tell apart it leaves
alone: a rule that is built on it must not fire on doubt.
"""
import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<directive>(?<![^\n])[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n/]|/(?![/*]))*)
      | (?P<number>\.?[0-9](?:[eEpP][+-]|[0-9A-Za-z_.])*)
      | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<space>\s+)
      | (?P<mark>->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\.\.\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
OPEN, CLOSE = "([{", ")]}"
CONTROL = ("if", "for", "while", "switch")


@dataclass
class Token:
    """kind: comment, string, directive, number, name or mark."""

    kind: str
    text: str
    line: int

    @property
    def end_line(self):
        """The line on which the token ends."""
        return self.line + self.text.count("\n")


@dataclass
class Item:
    """A declaration, definition or macro at depth 0 of a file."""

    kind: str  # function, prototype, type, enum, variable, macro
    name: str
    tokens: list
    body: list = field(default_factory=list)  # a function's tokens between its outer braces
    parameters: int = 0
    static: bool = False

    @property
    def line(self):
        """First line."""
        return self.tokens[0].line

    @property
    def end_line(self):
        """Last line."""
        return self.tokens[-1].end_line

    @property
    def lines(self):
        """Length in lines."""
        return self.end_line - self.line + 1


@dataclass
class Source:
    """A file that has been read."""

    text: str
    code: list  # names, numbers, strings, marks
    comments: list
    directives: list
    items: list

    def includes(self):
        """[(line, name as written, True for <...>)]."""
        found = []
        for token in self.directives:
            match = re.match(r'\s*#\s*include\s*(<([^>]*)>|"([^"]*)")', token.text)
            if match:
                angle = match.group(2)
                found.append((token.line, angle or match.group(3), angle is not None))
        return found


def read(text):
    """Reads one file."""
    code, comments, directives = [], [], []
    line = 1
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        token = Token(kind, match.group(), line)
        line += token.text.count("\n")
        if kind == "comment":
            comments.append(token)
        elif kind == "directive":
            token.line += len(token.text) - len(token.text.lstrip("\n"))
            directives.append(token)
        elif kind != "space":
            code.append(token)
    items = group(code) + [macro for macro in map(macro_item, directives) if macro]
    items.sort(key=lambda item: item.line)
    return Source(text, code, comments, directives, items)


def macro_item(token):
    """A #define as an item; its body is the tokens of the replacement."""
    match = re.match(r"\s*#\s*define\s+([A-Za-z_]\w*)(\([^)]*\))?(.*)", token.text, re.DOTALL)
    if not match:
        return None
    parts = [Token(m.lastgroup, m.group(), token.line) for m in TOKEN.finditer(match.group(3))]
    body = [part for part in parts if part.kind not in ("space", "comment")]
    item = Item("macro", match.group(1), [token], body)
    item.parameters = 0 if match.group(2) is None else match.group(2).count(",") + 1
    return item


def group(code):
    """Splits the tokens at depth 0 into items; `extern "C" { }` is looked through."""
    items, start, i = [], 0, 0
    while i < len(code):
        text = code[i].text
        if text == "{" and [t.text for t in code[start:i]] == ["extern", '"C"']:
            start = i = i + 1
            continue
        if text == "}" and start == i:
            start = i = i + 1
            continue
        if text in OPEN:
            end = closing(code, i)
            if text == "{" and is_function(code[start:i]):
                items.append(function_item(code[start : end + 1], i - start))
                start = end + 1
            i = end + 1
            continue
        if text == ";":
            if i > start:
                items.append(declaration_item(code[start : i + 1]))
            start = i + 1
        i += 1
    return items


def closing(code, i):
    """Index of the bracket that closes code[i], or of the last token."""
    depth = 0
    for j in range(i, len(code)):
        if code[j].kind == "mark":
            depth += (code[j].text in OPEN) - (code[j].text in CLOSE)
            if depth == 0:
                return j
    return len(code) - 1


def is_function(head):
    """Whether these tokens before a `{` are a function's head."""
    texts = [t.text for t in head]
    return bool(texts) and texts[-1] == ")" and "=" not in texts and "typedef" not in texts


def parameter_list(tokens):
    """(index of the name, index of `(`) of the outermost call-like pair, or None."""
    i = 0
    while i < len(tokens):
        if tokens[i].text == "__attribute__":
            i = closing(tokens, i + 1) + 1
            continue
        if tokens[i].text == "(":
            after = tokens[i + 1 : i + 2]
            if i > 0 and tokens[i - 1].kind == "name" and (not after or after[0].text != "*"):
                return i - 1, i
            i = closing(tokens, i)
        i += 1
    return None


def count_parameters(tokens, start):
    """Number of parameters in the list that opens at `start`."""
    inner = tokens[start + 1 : closing(tokens, start)]
    if [t.text for t in inner] in ([], ["void"]):
        return 0
    count, i = 1, 0
    while i < len(inner):
        if inner[i].text in OPEN:
            i = closing(inner, i)
        count += inner[i].text == ","
        i += 1
    return count


def function_item(tokens, brace):
    """A function's definition."""
    place = parameter_list(tokens[:brace])
    name = tokens[place[0]].text if place else "?"
    if place and name.isupper():
        name += f"({tokens[place[1] + 1].text})"  # a macro that begins a function: TEST(sum)
    item = Item("function", name, tokens, tokens[brace + 1 : -1])
    item.parameters = count_parameters(tokens, place[1]) if place else 0
    item.static = any(t.text == "static" for t in tokens[:brace])
    return item


def declaration_item(tokens):
    """Anything that ends in `;`."""
    texts = [t.text for t in tokens]
    static = "static" in texts
    if "typedef" in texts[:2]:  # perhaps behind __extension__
        place = parameter_list(tokens)
        name = tokens[place[0]].text if place and "{" not in texts else texts[-2]
        if place and "{" not in texts and tokens[place[1] + 1].text == "*":
            name = tokens[place[1] + 2].text
        match = re.search(r"\( \* (\w+) \)", " ".join(texts)) if "{" not in texts else None
        return Item("type", match.group(1) if match else name, tokens, static=static)
    if texts[0] in ("static_assert", "_Static_assert"):
        return Item("assert", "", tokens)
    if "{" in texts and texts[0] == "enum":
        return Item("enum", texts[1] if texts[1] != "{" else "", tokens)
    if texts[0] in ("struct", "union") and ("{" in texts[:3] or len(texts) == 3):
        return Item("type", texts[1], tokens)
    place = parameter_list(tokens) if "=" not in texts else None
    if place:
        item = Item("prototype", tokens[place[0]].text, tokens, static=static)
        item.parameters = count_parameters(tokens, place[1])
        return item
    head = texts[: texts.index("=")] if "=" in texts else texts[:-1]
    names = [t for t in re.sub(r"\[[^]]*\]", "", " ".join(head)).split() if re.match(r"\w", t)]
    return Item("variable", names[-1] if names else "", tokens, static=static)


def calls(item, known):
    """Names out of `known` that the item's body calls (never through a member)."""
    found = set()
    body = item.body
    for i in range(len(body) - 1):
        if body[i].text in known and body[i + 1].text == "(":
            if i == 0 or body[i - 1].text not in ("->", "."):
                found.add(body[i].text)
    return found


def nesting(body):
    """How deeply control statements are nested in a function's body."""
    deepest = 0
    stack = [0]  # depth of each open brace
    pending = 0  # control statements without a brace that wait for their statement
    previous_else = False
    i = 0
    while i < len(body):
        text = body[i].text
        if text in CONTROL or text in ("do", "else"):
            chained = text == "if" and previous_else
            if text == "while" and follows_do(body, i):
                i = closing(body, i + 1)
            elif text == "else":
                pending += 1
            else:
                pending += 0 if chained else 1
                if text in CONTROL:
                    i = closing(body, i + 1)
            deepest = max(deepest, stack[-1] + pending)
        elif text == "{":
            if pending or is_block(body, i):
                stack.append(stack[-1] + pending)
                pending = 0
            else:
                i = closing(body, i)
        elif text == "}":
            if len(stack) > 1:
                stack.pop()
        elif text in "([":
            i = closing(body, i)
        elif text == ";":
            pending = 0
        previous_else = text == "else"
        i += 1
    return deepest


def is_block(body, i):
    """Whether the `{` at i opens a block and not an initialiser."""
    return i == 0 or body[i - 1].text in (";", "{", "}", ":")


def follows_do(body, i):
    """Whether the `while` at i ends a do statement: a `}` (or `;`) stands before it and the
    statement after its condition is empty."""
    end = closing(body, i + 1)
    ends = end + 1 < len(body) and body[end + 1].text == ";"
    return ends and i > 0 and body[i - 1].text in ("}", ";")
