"""Where a C++ source can be mutated, and how a mutant is written so that it can be switched on as the program runs.

No parser: clang-format's spaces tell a comparison from a template's bracket and a product from a pointer. A mutant that
this gets wrong does not compile and is dropped, with a line that says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAMES = {
    "<": "Less",
    "<=": "LessEqual",
    ">": "Greater",
    ">=": "GreaterEqual",
    "==": "Equal",
    "!=": "Unequal",
    "+": "Plus",
    "-": "Minus",
    "*": "Times",
    "/": "Over",
    "%": "Modulo",
    "<<": "LeftShift",
    ">>": "RightShift",
    "&": "BitAnd",
    "|": "BitOr",
    "^": "BitXor",
}
INSTEAD = {
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "+": ["-"],
    "-": ["+"],
    "*": ["+"],
    "/": ["*"],
    "%": ["/"],
    "<<": [">>"],
    ">>": ["<<"],
    "&": ["|"],
    "|": ["&"],
    "^": ["&"],
}
ASSIGN = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "^=": "|=", "<<=": ">>=", ">>=": "<<="}
# Lines of which the compiler makes what there is, not what is done.
DECLARES = re.compile(
    r"\b(static_assert|enum|alignas|template|requires|concept|using|case|if constexpr|virtual|explicit)\b|^\s*#"
)
# Of what is only brought into the cache, nothing can be seen.
FETCHES = re.compile(r"\b(prefetch\w*|fetch)\(")
CONSTANT = re.compile(r"\bconstexpr\b[^({]*[={]|\bconstexpr\b.*;$")


@dataclass(frozen=True)
class Mutant:
    """`edits`: (begin, end, what is written there); wraps are two of them."""

    begin: int
    end: int
    found: str
    instead: str
    edits: tuple[tuple[int, int, str], ...]

    def line(self, text: str) -> int:
        return text.count("\n", 0, self.begin) + 1


def blanked(text: str) -> str:
    """The text without comments and what is between quotes: as long, with the same lines."""
    token = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])'", re.DOTALL)

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] in "\"'":
            return found[0] + "_" * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)

    return token.sub(blank, text)


def closing(code: str, opened: int) -> int:
    """Of the bracket at `opened`; −1 if there is none."""
    depth = 0
    for k in range(opened, len(code)):
        depth += (code[k] in "([{") - (code[k] in ")]}")
        if depth == 0:
            return k
    return -1


STOPS = re.compile(r"&&|\|\||\?|(?<!:):(?!:)|,|;|(?<![<>=!+\-*/|&^%])=(?!=)|[-+*/|&^%]=|\breturn\b")


def right_end(code: str, begin: int) -> int:
    """Where the operand that begins there ends: before the next && or || or what binds less."""
    k = begin
    while k < len(code):
        if code[k] in "([{":
            k = closing(code, k) + 1
            if k == 0:
                return -1
            continue
        if code[k] in ")]}" or STOPS.match(code, k):
            return k
        k += 1
    return -1


def left_begin(code: str, end: int, stops: re.Pattern[str] = STOPS) -> int:
    depth, k = 0, end - 1
    while k >= 0:
        if code[k] in ")]}":
            depth += 1
        elif code[k] in "([{":
            if depth == 0:
                return k + 1
            depth -= 1
        elif depth == 0:
            for width in (6, 2, 1):
                match = stops.match(code, k - width + 1) if k - width + 1 >= 0 else None
                if match and match.end() == k + 1 and not (width == 1 and code[k - 1 : k + 2].count(":") > 1):
                    return k + 1
        k -= 1
    return -1


def trimmed(code: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and code[begin].isspace():
        begin += 1
    while end > begin and code[end - 1].isspace():
        end -= 1
    return begin, end


def wrap(begin: int, end: int, before: str, after: str) -> tuple[tuple[int, int, str], ...]:
    return (begin, begin, before), (end, end, after)


def binary(code: str) -> Iterator[Mutant]:
    for match in re.finditer(r"(?<=[\w)\]}\"'] )(<=|>=|==|!=|<<|>>|[<>+\-*/%&|^])(?=\s)", code):
        op, (begin, end) = match[0], match.span()
        for other in INSTEAD[op]:
            text = f"{op} mutation::Instead<@, mutation::{NAMES[op]}, mutation::{NAMES[other]}>{{}} {op}"
            yield Mutant(begin, end, op, other, ((begin, end, text),))


def logical(code: str) -> Iterator[Mutant]:
    for match in re.finditer(r"(?<= )(&&|\|\|)(?=\s)", code):
        op = match[0]
        # Without an operand: true beside &&, false beside ||.
        before = "(mutation::on<@>() || bool(" if op == "&&" else "(!mutation::on<@>() && bool("
        right = trimmed(code, match.end(), right_end(code, match.end()))
        left = trimmed(code, left_begin(code, match.start()), match.start())
        for begin, end in (left, right):
            if begin < end:
                yield Mutant(
                    begin, end, code[begin:end], "true" if op == "&&" else "false", wrap(begin, end, before, "))")
                )


def conditions(code: str) -> Iterator[Mutant]:
    for match in re.finditer(r"\b(if|while) \(", code):
        begin, end = match.end(), closing(code, match.end() - 1)
        inside = code[begin:end]
        if ";" not in inside and not re.search(r"\w+\*? \w+ = ", inside):
            yield Mutant(begin, end, inside, f"!({inside})", wrap(begin, end, "mutation::flip<@>(", ")"))
    stops = re.compile(r"\?|(?<!:):(?!:)|,|;|(?<![<>=!+\-*/|&^%])=(?!=)|[-+*/|&^%]=|\breturn\b")
    for match in re.finditer(r"(?<= )\?(?=\s)", code):
        begin, end = trimmed(code, left_begin(code, match.start(), stops), match.start())
        if begin < end:
            inside = code[begin:end]
            yield Mutant(begin, end, inside, f"!({inside})", wrap(begin, end, "mutation::flip<@>(", ")"))
    for match in re.finditer(r"!(?=[\w(*])", code):
        yield Mutant(*match.span(), "!", "", ((*match.span(), "mutation::Bang<@>{} % "),))


def numbers(code: str) -> Iterator[Mutant]:
    for match in re.finditer(r"(?<![\w.'<])(0x[0-9a-f]+|\d+)(u|ul|ull)?(?![\w.'>\]])", code):
        if re.search(r" : $", code[: match.start()]):
            continue  # the width of a bit-field
        value = int(match[1], 0)
        for step in (1, -1) if value else (1,):
            edits = wrap(*match.span(), f"mutation::number<@, {step}>(", ")")
            yield Mutant(*match.span(), match[0], str(value + step), edits)
    for match in re.finditer(r"(?<=[\s(,])(true|false)(?=[\s;,)])", code):
        other = "false" if match[0] == "true" else "true"
        yield Mutant(*match.span(), match[0], other, wrap(*match.span(), "mutation::flip<@>(", ")"))


def statements(code: str) -> Iterator[Mutant]:
    for match in re.finditer(r"(?:(?<=[;{})])|(?<=else))\s+(?=[\w*(+-])", code):
        begin = match.end()
        before = code[: match.start()]
        if before.endswith(")") and not controls(before):
            continue
        k = begin
        while k < len(code) and code[k] not in ";)]}":
            k = closing(code, k) + 1 if code[k] in "([{" else k + 1
            if k == 0:
                break
        if k <= 0 or k >= len(code) or code[k] != ";":
            continue
        statement = code[begin:k]
        bare = statement
        while (less := re.sub(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}", "()", bare.replace("()", "\0"))) != bare.replace(
            "()", "\0"
        ):
            bare = less.replace("\0", "")
        bare = bare.replace("\0", "()")
        called = re.fullmatch(r"[\w:.>()\-]+\(\)", bare)
        assigned = re.match(r"(\*?[\w:.>()\-]+) (([-+|&^*]|<<|>>)?=) ", bare)
        stepped = re.fullmatch(r"(\+\+|--)[\w:.>()\-]+", bare)
        if called or assigned or stepped or bare in ("break", "continue", "return"):
            edits = wrap(begin, k + 1, "{ if (!mutation::on<@>()) { ", " } }")
            yield Mutant(begin, k + 1, statement + ";", "", edits)
        if assigned and assigned[2] in ASSIGN:
            at = begin
            while not re.match(r" ([-+|&^*]|<<|>>)?= ", code[at:k]):
                at = closing(code, at) + 1 if code[at] in "([{" else at + 1
            op = assigned[2]
            edits = wrap(begin, at, "mutation::into<@>(", ")")
            yield Mutant(begin, k, statement, statement.replace(op, ASSIGN[op], 1), edits)
        if stepped:
            other = {"++": "--", "--": "++"}[stepped[1]]
            edits = wrap(begin + 2, k, "mutation::into<@>(", ")")
            yield Mutant(begin, k, statement, other + statement[2:], edits)


def controls(before: str) -> bool:
    """Whether the text ends with the head of an if, for or while."""
    depth = 0
    for k in range(len(before) - 1, -1, -1):
        depth += (before[k] == ")") - (before[k] == "(")
        if depth == 0:
            return bool(re.search(r"\b(if|for|while) $", before[:k]))
    return False


def mutants(text: str) -> list[Mutant]:
    """All there are, in order."""
    code = blanked(text)
    lines = code.split("\n")
    found = []
    for kind in (binary, logical, conditions, numbers, statements):
        for mutant in kind(code):
            line = lines[mutant.line(text) - 1]
            if not any(skipped.search(line) for skipped in (DECLARES, FETCHES, CONSTANT)):
                found.append(mutant)
    return sorted(found, key=lambda mutant: (mutant.begin, mutant.end, mutant.instead))


def written(text: str, numbered: list[tuple[int, Mutant]]) -> str:
    """The source with these mutants in it, each behind its number."""
    edits = []
    for number, mutant in numbered:
        width = mutant.end - mutant.begin
        for begin, end, written in mutant.edits:
            # At one place: what ends there, inner before outer; what begins, outer before inner; what replaces.
            if begin != end:
                order = (2, 0, 0)
            elif begin == mutant.edits[0][0] and written == mutant.edits[0][2]:
                order = (1, -width, number)
            else:
                order = (0, width, -number)
            edits.append((begin, order, end, written.replace("@", str(number))))
    out, at = [], 0
    for begin, _, end, text_in in sorted(edits):
        out += [text[at:begin], text_in]
        at = end
    return "".join([*out, text[at:]])
