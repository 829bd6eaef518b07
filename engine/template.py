"""Templates: text with `{{ paths }}`, conditions, loops and filters, sandboxed and bounded in work and output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

from engine._template_filters import NUMBER, OUR_FILTERS, OUR_TESTS, REMOVED_FILTERS, REMOVED_FUNCTIONS, number
from engine._template_parts import TemplateSyntaxError
from engine._template_source import CHECK, Rewritten, rewrite
from engine._template_values import MAX_MADE, MAX_OUTPUT, TemplateFailed, printed, room, text_of, wrap
from engine.missing import MISSING
from engine.paths import Path, dotted, lookup
from engine.values import dataclass

__all__ = [
    "Template",
    "TemplateFailed",
    "TemplateSyntaxError",
    "TemplateUndefined",
    "compile_template",
    "render_text",
    "render_value",
]

MAX_SOURCE = 256 * 1024
MAX_WORK = 250_000
"""Steps of the template engine in one rendering: about 20,000 turns of a loop."""

_NAME = "t"
_MARKS = re.compile(r"\{[{%#]")
_CHAIN = re.compile(r"[^\W\d]\w*(?:\.\w+|\[(?:\d+|'[^']*'|\"[^\"]*\")\])*$")
_FILTERS = re.compile(r"(?:\s*\|\s*\w+)+$")


class TemplateUndefined(ValueError):
    """A template that needs a name that does not exist; `name` is its dotted path."""

    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' does not exist")
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template.

    `references` are the names that it reads, as far as they are dotted keys: `("state", "x")` for `state.x[0]`. Those
    in `guarded` are read only where they may be missing: before `default`, or in `is defined`. `literal` says that it
    is text only, `whole` is the path of a template that is exactly one `{{ path }}`.
    """

    source: str
    references: frozenset[tuple[str, ...]] = frozenset()
    guarded: frozenset[tuple[str, ...]] = frozenset()
    literal: bool = False
    whole: Path | None = None
    rewritten: Rewritten | None = field(default=None, repr=False, compare=False)
    environment: Environment | None = field(default=None, repr=False, compare=False)


@lru_cache(maxsize=2048)
def compile_template(source: str) -> Template:
    """Compile a template. Raises TemplateSyntaxError."""
    if _MARKS.search(source) is None:
        return Template(source=source, literal=True)
    if len(source) > MAX_SOURCE:
        raise TemplateSyntaxError(f"the template is longer than {MAX_SOURCE:,} characters")
    rewritten = rewrite(source)
    environment = _environment()
    try:
        environment.add_template(_NAME, rewritten.source)
    except TemplateError as error:
        detail = rewritten.restored(error.detail or error.message)
        raise TemplateSyntaxError(f"{detail} (line {error.line or 1})") from None
    if rewritten.longest:
        # Text inside a loop is written without asking, so that long text has to pay in steps.
        environment.fuel = max(1000, min(MAX_WORK, 50 * MAX_OUTPUT // rewritten.longest))
    return Template(
        source=source,
        references=rewritten.references,
        guarded=rewritten.guarded,
        whole=rewritten.whole,
        rewritten=rewritten,
        environment=environment,
    )


def render_text(template: Template, names: Mapping[str, Any]) -> str:
    """The text of a template: strings as they are, everything else as JSON.

    `names` are JSON values by name. Raises TemplateUndefined and TemplateFailed.
    """
    if template.rewritten is None or template.environment is None:
        return template.source
    if template.whole is not None:
        return text_of(render_value(template, names))
    prefix = template.rewritten.prefix
    values: dict[str, Any] = {}
    for slot, path in enumerate(template.rewritten.slots):
        if (value := lookup(names, path)) is not MISSING:
            values[f"{prefix}{slot}"] = wrap(value)
    return _rendered(template.environment, template.rewritten, values)


def render_value(template: Template, names: Mapping[str, Any]) -> Any:
    """The value itself for a template that is exactly one placeholder, else the text. Raises as `render_text`."""
    if template.whole is None:
        return render_text(template, names)
    value = lookup(names, template.whole)
    if value is MISSING:
        raise TemplateUndefined(dotted(template.whole))
    return value


def _rendered(environment: Environment, rewritten: Rewritten, values: Mapping[str, Any]) -> str:
    before = room.set([MAX_OUTPUT, MAX_MADE])
    try:
        text = environment.render_template(_NAME, **values)
    except TemplateError as error:
        raise _explained(error, rewritten, values) from None
    except TemplateFailed:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise TemplateFailed(f"a filter got a value of the wrong type: {error}") from None
    finally:
        room.reset(before)
    if len(text) > MAX_OUTPUT:
        raise TemplateFailed(f"the template produces more than {MAX_OUTPUT:,} characters")
    return text


def _environment() -> Environment:
    """An environment for one template: strict, with nothing in it that mutates, prints its inside or loads files."""
    environment = Environment(
        auto_escape_callback=_no_escape,
        debug=False,
        filters={**OUR_FILTERS, NUMBER: number},
        finalizer=printed,
        fuel=MAX_WORK,
        keep_trailing_newline=True,
        pycompat=False,
        tests=OUR_TESTS,
        undefined_behavior="strict",
    )
    for name in REMOVED_FILTERS:
        environment.remove_filter(name)
    for name in REMOVED_FUNCTIONS:
        environment.remove_global(name)
    return environment


def _no_escape(name: str) -> bool:
    return False


def _explained(error: TemplateError, rewritten: Rewritten, values: Mapping[str, Any]) -> Exception:
    detail = error.detail or error.message
    if error.kind == "UndefinedError" or "undefined" in detail:
        return TemplateUndefined(_culprit(error, rewritten, values))
    if error.kind == "OutOfFuel":
        return TemplateFailed("the template takes too many steps")
    return TemplateFailed(detail)


def _culprit(error: TemplateError, rewritten: Rewritten, values: Mapping[str, Any]) -> str:
    """The dotted path that an error is about: what stands at the end of its span, in bytes of the new source."""
    stop = error.range[1] if error.range is not None else None
    before = rewritten.source.encode()[:stop].decode(errors="ignore")
    tag = re.split(r"\{[{%]-?", before)[-1].strip()
    chain = _FILTERS.sub("", tag)
    found = _CHAIN.search(chain)
    if found is not None and error.kind == "UndefinedError":
        return rewritten.restored(found[0].removesuffix(f".{CHECK}"))
    missing = [name for name in re.findall(rf"{rewritten.prefix}\d+", tag) if name not in values]
    return rewritten.restored(missing[-1] if missing else tag)
