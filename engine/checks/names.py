"""The names in templates, expressions and paths, and the state keys that nodes read and write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.checks.draft import Draft, DraftNode
from engine.checks.problem import Findings, clipped, listed, shown
from engine.checks.reading import input_keys
from engine.expression import ExpressionSyntaxError, ExpressionTypeError, compile_expression
from engine.graph import ERROR_HANDLE
from engine.nodes._common import Text, value_texts
from engine.paths import PathError, parse_path, state_path
from engine.template import TemplateSyntaxError, compile_template
from engine.values import dataclass, replace

Reference = tuple[str, ...]

STATE, INPUT, META = "state", "input", "meta"
EVERYWHERE = frozenset({STATE, INPUT, "config"})
OF_ITEMS = frozenset({"item", "index"})
OF_ERRORS = frozenset({"error", "errors"})
META_KEYS = frozenset(
    {"run_id", "workflow_id", "workflow_version", "node", "task_id", "step", "remaining_steps", "is_last_step"}
)
WHERE: Mapping[str, str] = {
    **dict.fromkeys(OF_ITEMS, "exists only in the target of a send"),
    **dict.fromkeys(OF_ERRORS, "exists only in the target of an error edge"),
    "output": "does not exist here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What can be named: the roots at this place, and the keys below `state` and `input`."""

    roots: frozenset[str]
    state: frozenset[str]
    input: frozenset[str]
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a text stands."""

    path: str
    node: str | None = None


class Names:
    """Checks texts against what can be named in a document."""

    def __init__(self, draft: Draft, findings: Findings) -> None:
        self.draft, self.findings = draft, findings
        self.state = frozenset(draft.state)
        self.input = frozenset(input_keys(draft.top.get("input_schema"))) | self.state
        self.types = {
            name: next(iter(entry.types))
            for name, entry in draft.state.items()
            if entry.types and isinstance(entry.source.get("type"), str)
        }
        self.handlers = {edge.target for edge in draft.edges if edge.handle == ERROR_HANDLE}

    def check(self) -> None:
        """Every text of every node, and those of the run's output."""
        for node in self.draft.nodes.values():
            scope = self._scope(EVERYWHERE | {META} | self._extra(node))
            for text in (*node.ask("texts"), *_shared_texts(node)):
                place = Place(path=node.at(text.path), node=node.name if self._is_own(node, text) else None)
                if node.whole or place.path != node.path:
                    self._check_text(text, place, scope)
        for text in self._output_texts():
            self._check_text(text, Place(path=f"/output{text.path}"), self._scope(EVERYWHERE))

    def _is_own(self, node: DraftNode, text: Text) -> bool:
        return node.at(text.path).startswith(node.path)

    def _extra(self, node: DraftNode) -> frozenset[str]:
        items = OF_ITEMS if node.name in self.draft.called else frozenset[str]()
        return items | (OF_ERRORS if node.name in self.handlers else frozenset())

    def _scope(self, roots: frozenset[str]) -> Scope:
        return Scope(roots=roots, state=self.state, input=self.input, types=self.types)

    def _output_texts(self) -> Iterator[Text]:
        output = self.draft.top.get("output")
        if isinstance(output, dict):
            yield from value_texts(output, "")
        for place, key in enumerate(output if isinstance(output, list) else ()):
            yield Text("read", f"/{place}", key)

    def _check_text(self, text: Text, place: Place, scope: Scope) -> None:
        match text.kind:
            case "template" | "value":
                self._check_template(text.source, place, scope)
            case "item":
                self._check_template(text.source, place, replace(scope, roots=EVERYWHERE | {META} | OF_ITEMS))
            case "expression":
                self._check_expression(text.source, place, scope)
            case "judgement":
                self._check_expression(text.source, place, replace(scope, roots=scope.roots | {"output"}))
            case "path":
                self._check_path(text.source, place)
            case "key" | "read":
                self._check_key(text, place)
            case "output":
                self._parsed(text.source, place)

    # ---- one kind of text each

    def _check_template(self, source: str, place: Place, scope: Scope) -> None:
        try:
            template = compile_template(source)
        except TemplateSyntaxError as error:
            self._error("template.syntax", place, clipped(str(error)))
            return
        for reference in sorted(template.references - template.guarded):
            self._check_reference(reference, place, scope)

    def _check_expression(self, source: str, place: Place, scope: Scope) -> None:
        try:
            expression = compile_expression(source, scope.types)
        except ExpressionSyntaxError as error:
            self._error("expression.syntax", place, clipped(str(error)))
            return
        except ExpressionTypeError as error:
            self._error("expression.type", place, clipped(str(error)))
            expression = error.expression
        for reference in sorted(expression.references - expression.guarded):
            self._check_reference(reference, place, scope)

    def _check_path(self, source: str, place: Place) -> None:
        if self._parsed(source, place):
            key = state_path(source)[0]
            if key not in self.state:
                self._undeclared(str(key), place)

    def _parsed(self, source: str, place: Place) -> bool:
        try:
            parse_path(source)
        except PathError as error:
            self._error("document.type", place, clipped(str(error)))
            return False
        return True

    def _check_key(self, text: Text, place: Place) -> None:
        if text.source not in self.state:
            self._undeclared(text.source, place)

    # ---- references

    def _check_reference(self, reference: Reference, place: Place, scope: Scope) -> None:
        root, key = reference[0], reference[1] if len(reference) > 1 else None
        if root not in scope.roots:
            why = WHERE.get(root, f"is no name here; names: {listed(sorted(scope.roots))}")
            hint = None if root in WHERE else self._root_hint(root, scope)
            self._error("reference.name", place, f"`{shown(root)}` {why}", hint)
        elif key is None:
            return
        elif root == STATE and key not in scope.state:
            self._undeclared(key, place)
        elif root == INPUT and key not in scope.input:
            message = f"the input has no key `{shown(key)}`: neither `input_schema` nor `state_schema` declares it"
            self._error("reference.name", place, message, self.findings.nearest(key, scope.input))
        elif root == META and key not in META_KEYS:
            message = f"`meta` has no key `{shown(key)}`"
            self._error("reference.name", place, message, self.findings.nearest(key, META_KEYS))

    def _root_hint(self, root: str, scope: Scope) -> str | None:
        return f"did you mean `state.{root}`?" if root in scope.state else self.findings.nearest(root, scope.roots)

    def _undeclared(self, key: str, place: Place) -> None:
        message = f"state key `{shown(key)}` is not declared in `state_schema`"
        self._error("reference.state", place, message, self.findings.nearest(key, self.state))

    def _error(self, code: str, place: Place, message: str, hint: str | None = None) -> None:
        self.findings.error(code, place.path, message, node=place.node, hint=hint)


def _shared_texts(node: DraftNode) -> Iterator[Text]:
    """The texts in fields that nodes of every type have."""
    if isinstance(key := node.fields.get("cache", {}).get("key"), str):
        yield Text("template", "/cache/key", key)


def check_names(draft: Draft, findings: Findings) -> None:
    """Adds what templates, expressions, paths and keys name and what does not exist."""
    Names(draft, findings).check()
