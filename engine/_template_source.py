"""Reads the source of a template: the names it refers to, and a source in which each of them is one variable.

A path such as `state.a.b` becomes the variable `v_0`, which the renderer looks up beforehand. So a template is given
only what it names, a key called `items` is a key, and `default` stands in for missing parents too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile

from engine._template_filters import FILTERS, FUNCTIONS, NUMBER, TESTS
from engine._template_parts import Part, TemplateSyntaxError, split
from engine._template_paths import concatenated, could_hide, may_be_missing, operand_end, static_path, without_parents
from engine._tokens import Tokens
from engine.paths import Path, dotted
from engine.values import dataclass

MAX_GROWTH = 4096
"""How many times the longest text a template may write down by `~` and `+`, its loops not counted."""
MAX_ELIFS = 200
"""Tags of this name in a template, which the engine nests; see also `MAX_TOKENS`."""

KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"})
TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "set", "break", "continue"})
LOOP = "loop"
LOOP_METHODS = frozenset({"cycle", "changed"})
CHECK = "_"
"""The attribute that is asked of a path which must not be missing: asking it of nothing is an error."""

_CHECKED = re.compile(rf"\(([^() ]+) if \1 is defined else \1\.{CHECK}\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A template's source with variables for names: `prefix` and a number stand for the path in `slots`.

    `references` are the leading keys of these paths, `guarded` those that only occur where they may be missing; `whole`
    is the path of a template that is one placeholder, and `longest` the length of the longest text inside a loop.
    """

    source: str
    prefix: str
    slots: tuple[Path, ...]
    references: frozenset[tuple[str, ...]]
    guarded: frozenset[tuple[str, ...]]
    whole: Path | None
    longest: int

    def restored(self, text: str) -> str:
        """A piece of the new source with the paths in it instead of what stands for them."""
        text = _CHECKED.sub(r"\1", text)
        return re.sub(rf"{self.prefix}(\d+)", lambda found: dotted(self.slots[int(found[1])]), text)


def rewrite(source: str) -> Rewritten:
    """Read a template, whose syntax may be wrong. Raises TemplateSyntaxError for what is not available."""
    prefix = "v_"
    while prefix in source:
        prefix += "_"
    parts = tuple(split(source))
    rewriter = _Rewriter(prefix)
    out = "".join(rewriter.part(part) for part in parts)
    whole = None
    if len(parts) == 1 and parts[0].begin.startswith("{{"):
        whole = _whole(parts[0].tokens)
    return Rewritten(
        source=out,
        prefix=prefix,
        slots=tuple(rewriter.slots),
        references=frozenset(rewriter.guarded),
        guarded=frozenset(name for name, guarded in rewriter.guarded.items() if guarded),
        whole=whole,
        longest=rewriter.longest,
    )


def _whole(tokens: Tokens | None) -> Path | None:
    if tokens is None or tokens[0].kind != "name" or tokens[0].text in KEYWORDS | FUNCTIONS:
        return None
    path, end = static_path(tokens, 0)
    return path if end == len(tokens) else None


class _Rewriter:
    """Goes through a template from front to back, with the local names of the loops that it is in."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.slots: dict[Path, int] = {}
        self.guarded: dict[tuple[str, ...], bool] = {}
        self.scopes: list[set[str]] = [set()]
        self.growth = 1
        self.elifs = 0
        self.longest = 0
        self.keeping = False  # whether the value is given a name: later it could not be told what is missing

    def part(self, part: Part) -> str:
        """A part as it stands in the new source."""
        if part.tokens is None:
            if len(self.scopes) > 1:
                self.longest = max(self.longest, len(part.text))
            return part.text
        if part.begin.startswith("{{"):
            body = self._expression(part.tokens) + self._empty_else(part.tokens)
        else:
            body = self._block(part.tokens)
        return f"{part.begin} {body} {part.end}"

    def _empty_else(self, tokens: Tokens) -> str:
        """What is printed by an `if` without `else`: nothing, which the engine would report as null."""
        depth0 = [0]
        for word in ("if", "else"):
            at = tokens.find(word)
            while at < len(tokens):
                depth0[0] += 1 if word == "if" else -1
                at = tokens.find(word, at + 1)
        return " else ''" * depth0[0]

    # ---- tags

    def _block(self, tokens: Tokens) -> str:
        tag = tokens[0].text
        if tag not in TAGS:
            raise TemplateSyntaxError(f"the tag '{tag}' is not available; there are if, for, set and raw")
        if tag == "for":
            return self._for(tokens)
        if tag == "set":
            return self._set(tokens)
        self.elifs += tag == "elif"
        if self.elifs > MAX_ELIFS:
            raise TemplateSyntaxError(f"a template may have {MAX_ELIFS} elif tags")
        if tag == "endfor" and len(self.scopes) > 1:
            self.scopes.pop()
        return f"{tag} {self._expression(tokens.part(1, len(tokens)))}".rstrip()

    def _for(self, tokens: Tokens) -> str:
        inside = tokens.find("in")
        condition = tokens.find("if", inside)
        if tokens[len(tokens) - 1].text == "recursive" and tokens[len(tokens) - 2].text != "in":
            raise TemplateSyntaxError("recursive loops are not available")
        items = self._expression(tokens.part(inside + 1, condition))
        names = tokens.part(1, inside)
        self.scopes.append({LOOP, *_names(names)})
        filtered = self._expression(tokens.part(condition, len(tokens)))
        return f"for {''.join(names[at].text for at in range(len(names)))} in {items} {filtered}".rstrip()

    def _set(self, tokens: Tokens) -> str:
        equals = tokens.find("=")
        if equals == len(tokens) or tokens.find(".") < equals:
            raise TemplateSyntaxError("'set' needs a name and a value: {% set name = value %}")
        before, self.growth, self.keeping = self.growth, 1, True
        value = self._expression(tokens.part(equals + 1, len(tokens)))
        self.growth, self.keeping = before * self.growth, False
        self._check_growth()
        names = tokens.part(1, equals)
        self.scopes[-1].update(_names(names))
        return f"set {''.join(names[at].text for at in range(len(names)))} = {value}"

    def _check_growth(self) -> None:
        if self.growth > MAX_GROWTH:
            raise TemplateSyntaxError(f"the template could multiply a text more than {MAX_GROWTH} times by '~' and '+'")

    # ---- expressions

    def _expression(self, tokens: Tokens) -> str:
        new: dict[int, str] = {}
        tails: dict[int, str] = defaultdict(str)
        at = 0
        while at < len(tokens):
            if tokens[at].kind == "name" and tokens[at].text not in KEYWORDS:
                at = self._name(tokens, at, new, tails)
            else:
                if tokens[at].kind == "op":
                    self._operator(tokens, at, tails)
                at += 1
        return _assembled(tokens, new, tails)

    def _operator(self, tokens: Tokens, at: int, tails: dict[int, str]) -> None:
        text, before = tokens[at].text, tokens[at - 1]
        if text in "~+":
            self.growth += 1
            self._check_growth()
        elif text == "*":
            tails[at - 1] += f"|{NUMBER}"
            tails[operand_end(tokens, at + 1) - 1] += f"|{NUMBER}"
        elif text == "(" and before.text in (")", "]") and before.kind == "op":
            raise TemplateSyntaxError("only functions can be called, values cannot")

    def _name(self, tokens: Tokens, at: int, new: dict[int, str], tails: dict[int, str]) -> int:
        """Take the name at `at`; the place after what it is part of."""
        name, before, after = tokens[at].text, tokens[at - 1].text, tokens[at + 1].text
        if before == "|":
            _known("filter", name, FILTERS)
        elif before == "is" or (before == "not" and tokens[at - 2].text == "is"):
            _known("test", name, TESTS)
        elif before == ".":
            if after == "(":
                raise TemplateSyntaxError(f"'.{name}(…)': values have no methods; use a filter, such as '| upper'")
        elif after == "(":
            _known("function", name, frozenset() if self._is_local(name) else FUNCTIONS)
        elif after != "=":
            return self._path(tokens, at, new, tails)
        return at + 1

    def _path(self, tokens: Tokens, at: int, new: dict[int, str], tails: dict[int, str]) -> int:
        path, end = static_path(tokens, at)
        local = self._is_local(tokens[at].text)
        if local and path == (LOOP,) and tokens[end].text == "." and tokens[end + 1].text in LOOP_METHODS:
            return end + 2
        optional = may_be_missing(tokens, at, end)
        if not local:
            text = self._slot(path, optional)
        elif optional:
            text = without_parents(tokens, at, end)
        else:
            text = "".join(tokens[place].text for place in range(at, end))
        if not optional and (self.keeping or could_hide(tokens, at, end)):
            text = f"({text} if {text} is defined else {text}.{CHECK})"
        new.update(dict.fromkeys(range(at, end), ""))
        new[at] = text
        if concatenated(tokens, at, end):
            tails[end - 1] += "|string"
        return end

    def _slot(self, path: Path, optional: bool) -> str:
        """The variable for a path."""
        names = tuple(str(part) for part in takewhile(lambda part: isinstance(part, str), path))
        self.guarded[names] = optional and self.guarded.get(names, True)
        return f"{self.prefix}{self.slots.setdefault(path, len(self.slots))}"

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self.scopes)


def _names(tokens: Tokens) -> Iterator[str]:
    return (tokens[at].text for at in range(len(tokens)) if tokens[at].kind == "name")


def _known(kind: str, name: str, known: frozenset[str]) -> None:
    if name not in known:
        raise TemplateSyntaxError(f"there is no {kind} '{name}'; there are {', '.join(sorted(known))}")


def _assembled(tokens: Tokens, new: dict[int, str], tails: dict[int, str]) -> str:
    """The source of an expression, with space between its tokens where there was some, and between words."""
    out = ""
    for at in range(len(tokens)):
        token = tokens[at]
        text = new.get(at, token.text)
        spaced = at > 0 and token.start > tokens[at - 1].end
        if text and (spaced or (_ends_word(out) and _ends_word(text[0]))):
            out += " "
        out += text + tails.get(at, "")
    return out


def _ends_word(text: str) -> bool:
    return text[-1:].isalnum() or text[-1:] == "_"
