"""The task node: one request to one worker, whose answer is applied to the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import NodeFailure
from engine.graph import Node
from engine.missing import MISSING
from engine.nodes._common import (
    OBJECT,
    SCHEMA,
    STRING,
    STRINGS,
    Computed,
    Field,
    Given,
    Text,
    text_of,
    value_texts,
)
from engine.nodes._limits import LIMIT_FIELDS, LimitSpec, limit_texts, limits_for, parse_limits
from engine.nodes._output import OUTPUT_FIELDS, Output, output_given, output_texts, parse_output
from engine.nodes._turns import Turns
from engine.schema import Schema, compile_schema
from engine.template import Template, compile_template
from engine.values import dataclass
from engine.view import Ask, Request, View

FIELDS: dict[str, Field] = {
    "worker_tags": Field(STRINGS, "tags that the worker must carry, all of them"),
    "worker": Field(STRING, "id of the one worker to ask"),
    "protocol": Field(STRING, "protocol that the worker must speak"),
    "prompt_template": Field(STRING, "template of the prompt"),
    "input": Field(OBJECT, "object of templates and expressions that is sent as `input`"),
    "reads": Field(STRINGS, "state keys that are sent along as `state`"),
    "input_schema": Field(SCHEMA, "JSON Schema of the mapped input, which its defaults complete", is_schema=True),
    "output_schema": Field(SCHEMA, "JSON Schema of the output", is_schema=True),
    **OUTPUT_FIELDS,
    **LIMIT_FIELDS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task's fields, compiled."""

    prompt: Template | None
    input: Computed
    reads: tuple[str, ...]
    tags: tuple[str, ...]
    worker: str | None
    protocol: str | None
    input_schema: Schema | None
    output_schema: Schema | None
    output: Output
    limits: LimitSpec | None = None
    turns: Turns | None = None
    """How it goes on after an answer, where one answer is not the end."""


def parse(fields: Mapping[str, Any]) -> TaskSpec:
    def schema(name: str) -> Schema | None:
        return compile_schema(fields[name]) if name in fields else None

    return TaskSpec(
        prompt=compile_template(fields["prompt_template"]) if "prompt_template" in fields else None,
        input=Computed(fields.get("input", {})),
        reads=tuple(fields.get("reads", ())),
        tags=tuple(fields.get("worker_tags", ())),
        worker=fields.get("worker"),
        protocol=fields.get("protocol"),
        input_schema=schema("input_schema"),
        output_schema=schema("output_schema"),
        output=parse_output(fields),
        limits=parse_limits(fields),
    )


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    if "prompt_template" in fields:
        yield Text("template", "/prompt_template", fields["prompt_template"])
    yield from value_texts(fields.get("input", {}), "/input")
    for place, key in enumerate(fields.get("reads", ())):
        yield Text("read", f"/reads/{place}", key)
    yield from output_texts(fields)
    yield from limit_texts(fields)


def given(fields: Mapping[str, Any]) -> Iterator[Given]:
    """What `output_schema` says about the state keys that the output is written to."""
    return output_given(fields, fields.get("output_schema"))


def _checked_input(spec: TaskSpec, value: Any) -> Any:
    if spec.input_schema is None:
        return value
    value = spec.input_schema.completed(value)
    if problems := spec.input_schema.problems(value):
        place = problems[0].path or "/"
        raise NodeFailure("input.invalid", f"the input does not satisfy input_schema: {place}: {problems[0].message}")
    return value


def enter(node: Node, view: View) -> Ask:
    spec: TaskSpec = node.spec
    names = view.names()
    return Ask(
        request=Request(
            prompt=text_of(spec.prompt, names) if spec.prompt else None,
            input=_checked_input(spec, spec.input.value(names)),
            state={key: view.state[key] for key in spec.reads if key in view.state},
            parameters=node.parameters,
            config=view.config,
            item=None if view.item is MISSING else view.item,
            index=view.index,
        ),
        tags=spec.tags,
        worker=spec.worker,
        protocol=spec.protocol,
        limits=limits_for(spec.limits, names),
    )
