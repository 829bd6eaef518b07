"""Templates are bounded: they change nothing, see nothing but values, and end."""

from __future__ import annotations

import pytest

from engine._template_values import MAX_OUTPUT
from engine.template import (
    MAX_SOURCE,
    TemplateFailed,
    TemplateSyntaxError,
    TemplateUndefined,
    compile_template,
    render_text,
)

LARGE = "x" * 1_000_000


def names():
    return {"state": {"l": [1, 2], "o": {"a": 1}, "d": [{"k": 1}], "s": "text", "large": LARGE}}


@pytest.mark.parametrize(
    "source",
    [
        "{{ state.clear() }}",
        "{{ state.l.append(3) }}",
        "{{ state['o'].pop('a') }}",
        "{% set f = state.clear %}{{ f() }}",
        "{{ (state.clear)() }}",
        "{{ [state.clear][0]() }}",
        "{% for e in state.d %}{{ e.clear() }}{% endfor %}",
        "{{ ''.join(['a']) }}",
        "{{ state.s.upper() }}",
        "{{ loop.cycle('a') }}",
        "{{ debug() }}",
        "{{ namespace(a=1) }}",
        "{{ state | attr('clear') }}",
        "{{ state.s | format(1) }}",
        "{% call x() %}{% endcall %}",
        "{% import 'os' as os %}",
        "{% extends 'a' %}",
        "{% block a %}{% endblock %}",
        "{% filter upper %}a{% endfilter %}",
        "{% set x %}a{% endset %}",
        "{% set state.x = 1 %}",
        "{% for e in state.d recursive %}{% endfor %}",
    ],
)
def test_nothing_can_be_called_changed_or_loaded(source):
    with pytest.raises(TemplateSyntaxError):
        compile_template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ state.__class__ }}!",
        "{{ state._value }}!",
        "{% for e in state.d %}{{ e.__class__ }}{% endfor %}",
        "{% for e in state.d %}{{ e._value }}{% endfor %}",
        "{% for e in state.d %}{{ e['_value'] }}{% endfor %}",
        "{% for e in state.d %}{{ e.keys }}{% endfor %}",
        "{{ (state.d | first).clear }}",
        "{{ ''.__class__ }}",
        "{{ state[state.s | replace('text', '__class__')] }}",
    ],
)
def test_values_have_no_attributes_but_their_keys(source):
    with pytest.raises(TemplateUndefined):
        render_text(compile_template(source), names())


def test_rendering_changes_no_value():
    before = names()
    loop = "{% for e in state.l | sort | reverse %}{% set e = 9 %}{{ e }}{% endfor %}"
    source = loop + "{{ state.o | items }}{{ state.l + [3] }}"

    render_text(compile_template(source), before)

    assert before == names()


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(100000) %}{% for j in range(1000) %}x{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{{ state.large }}{% endfor %}",
        "{% for i in range(100000) %}" + "x" * 10_000 + "{% endfor %}",
        "{% for i in range(100000) %}{{ state.s | replace('t', state.large) | length }}{% endfor %}",
        "{{ range(1000000000) | length }}",
        "{{ range(100000) | join(state.large) }}",
        "{{ state.large | replace('x', state.large) }}",
        "{{ state.large | replace('x', 'x\n') | indent(1000) }}",
        "{{ range(1000) | map('replace', '1', state.large) | list | length }}",
        "{{ 'x' * 100000000 }}",
        "{{ 100000000 * 'x' }}",
        "{{ [1] * 100000000 }}",
        "{{ state.s * 2 ** 30 }}",
        "{{ state.large | indent(state.large) }}",
        "{{ state.large }}{{ state.large }}{{ state.large }}{{ state.large }}{{ state.large }}",
        "{{ 1e300 * 1e300 }}!",
    ],
    ids=lambda source: source[:60],
)
def test_work_and_output_have_an_end(source):
    with pytest.raises(TemplateFailed):
        render_text(compile_template(source), names())


@pytest.mark.parametrize(
    "source",
    [
        "{% set a = 'xx' %}" + "{% set a = a ~ a ~ a ~ a %}" * 10,
        "{% set a = 'xx' %}" + "{% set a = a + a %}" * 20,
        "{{ state.s" + " ~ state.s" * 5000 + " }}",
        "{{ state.s }}" * MAX_SOURCE,
        "{{ " + "not " * 60_000 + "state.s }}",
        "{{ state.s" + " and state.s" * 15_000 + " }}",
        "{{ " + "2 ** " * 30_000 + "2 }}",
        "{{ " + "(" * 60_000 + "1" + ")" * 60_000 + " }}",
        "{% if state.s %}" + "{% elif state.s %}" * 1000 + "{% endif %}",
        "{% for a in state.l %}" * 1000 + "{% endfor %}" * 1000,
    ],
    ids=lambda source: source[:40],
)
def test_a_template_without_measure_does_not_compile(source):
    with pytest.raises(TemplateSyntaxError):
        compile_template(source)


def test_long_loops_are_possible():
    many = {"state": {"d": [{"k": "v"}] * 5000}}

    assert (
        len(render_text(compile_template("{% for e in state.d %}{{ e.k }}: {{ loop.index0 }}\n{% endfor %}"), many))
        > 5000
    )


def test_long_text_in_a_loop_leaves_fewer_turns():
    loop = "{% for i in range(1000) %}" + "x" * 100_000 + "{% endfor %}"

    template = compile_template(loop)

    assert template.environment.fuel * 100_000 < 100 * MAX_OUTPUT
