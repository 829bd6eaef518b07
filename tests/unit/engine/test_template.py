"""What templates show of the values they name, and what is known of them without rendering."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.template import (
    TemplateFailed,
    TemplateSyntaxError,
    TemplateUndefined,
    compile_template,
    render_text,
    render_value,
)

STATE = {
    "s": 'q"u\no\\t\t{{ x }} ü',
    "n": 3,
    "t": True,
    "null": None,
    "f": 1.0,
    "o": {"b": 1, "a": [1, None, "x"], "x": {"y": ["deep"]}},
    "l": ["a", "b"],
    "d": [{"k": "a"}, {"k": "b", "items": 5}],
    "mixed": ["x", 1, {"a": True}, None, [1.5]],
}
NAMES = {"state": STATE, "input": {"q": "n"}, "config": {}, "meta": {"node": "a"}}
MARKS = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{-",
    "-%}",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "'",
    '"',
    ".",
    ",",
    "|",
    "~",
    "*",
]
SIGNS = ["**", "+", "-", ":", "=", "==", "1", "1.5", "'text'", "[0]", ".y", "(1)", "range(2)", "loop.cycle(1)"]
WORDS = [
    "in",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "set",
    "raw",
    "endraw",
    "is",
    "not",
    "defined",
    "default",
]
FRAGMENTS = [*MARKS, *SIGNS, *WORDS, "upper", "state.x", "loop", "x"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner | st.text(), max_size=3),
    max_leaves=8,
)


def shown(source, names=NAMES):
    return render_text(compile_template(source), names)


def undefined(source, names=NAMES):
    with pytest.raises(TemplateUndefined) as caught:
        render_text(compile_template(source), names)
    return caught.value.name


@given(st.text())
def test_strings_are_inserted_as_they_are(text):
    assert shown("<{{ state.s }}>", {"state": {"s": text}}) == f"<{text}>"


@given(JSON)
def test_everything_else_is_inserted_as_json(value):
    text = shown("{{ state.v }} ", {"state": {"v": value}})

    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ state.t }} {{ state.null }} {{ state.f }}", "true null 1.0"),
        ("{{ true }}{{ none }}{{ 1.5 }}{{ [true, none] }}", "truenull1.5[true,null]"),
        ("{{ 'on: ' ~ state.t }}{{ state.null ~ '!' }}", "on: truenull!"),
        ('{"o": {{ state.o.x }}, "n": {{ state.n }}}', '{"o": {"y":["deep"]}, "n": 3}'),
        ("{{ {'a': state.l} }}", '{"a":["a","b"]}'),
        (
            "{{ state.n / 2 }} {{ 7 // 2 }} {{ state.n * 2 - 1 }} {{ -state.n * -2 }} {{ 2 * (1 + state.l | length) }}",
            "1.5 3 5 6 6",
        ),
    ],
)
def test_values_are_written_as_json(source, text):
    assert shown(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% if state.n > 3 %}big{% elif state.n == 3 %}three{% else %}small{% endif %}", "three"),
        ("{% for e in state.d %}<{{ e.k | upper }}>{% endfor %}", "<A><B>"),
        ("{% for e in state.l %}{{ loop.index }}{{ e }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b"),
        ("{% for e in state.d if e.k == 'b' %}{{ e.items }}{% else %}none{% endfor %}", "5"),
        ("{% for k, v in state.o | items %}{{ k }}={{ v }};{% endfor %}", 'b=1;a=[1,null,"x"];x={"y":["deep"]};'),
        ("{% for k in state.o %}{{ k }}{% endfor %}", "bax"),
        ("{% for e in state.l %}{{ loop.cycle('odd', 'even') }}{% endfor %}", "oddeven"),
        ("{% set x = state.n + 1 %}{{ x }}{{ x }}", "44"),
        ("a {{- 'b' -}} c{# gone #}{% raw %}{{ x }}{% endraw %}", "abc{{ x }}"),
        ("{{ 'yes' if state.t }}{{ 'no' if not state.t }}", "yes"),
        (
            "{{ state.d[1].k }}{{ state['o']['x'].y[0] }}{{ state.l[-1] }}{{ state.l[0:1] }}{{ state.l.1 }}",
            'bdeepb["a"]b',
        ),
        ("{{ state[input.q] }}", "3"),
        ("{{ 'b' in state.o }} {{ 'z' in state.o }} {{ 'a' in state.l }}", "true false true"),
        ("{{ state.o is mapping }} {{ state.l is sequence }} {{ state.null is none }}", "true true true"),
        ("line\n", "line\n"),
    ],
)
def test_conditions_loops_and_paths(source, text):
    assert shown(source) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ state.l | join(',') }}", "a,b"),
        ("{{ state.mixed | join('|') }}", 'x|1|{"a":true}|null|[1.5]'),
        ("{{ state.d | map(attribute='k') | join('+') }}{{ state.d | join('+', attribute='k') }}", "a+ba+b"),
        ("{{ state.l | length }}{{ state.o | length }}{{ state.l | count }}", "232"),
        ("{{ state.o.a | tojson }}{{ state.s | tojson }}", '[1,null,"x"]' + json.dumps(STATE["s"], ensure_ascii=False)),
        ("{{ state.l | tojson(indent=1) | indent(2) }}", '[\n   "a",\n   "b"\n  ]'),
        ("{{ 'abcb' | replace('b', '--') }}", "a--c--"),
        ("{{ state.l | sort | reverse | first }}{{ state.l | last }}", "bb"),
        ("{{ state.o | dictsort | first | first }}{{ state.d | selectattr('k', 'eq', 'a') | list }}", 'a[{"k":"a"}]'),
        ("{{ ' x ' | trim | title }}{{ state.t | string }}{{ [3, 1] | sum }}", "Xtrue4"),
        ("{{ '<b>' | safe }}", "<b>"),
        ("{{ range(3) | join }}", "012"),
    ],
)
def test_filters(source, text):
    assert shown(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ state.nope }}!",
        "{{ state.nope | upper }}",
        "{{ state.nope | tojson }}",
        "{{ state.nope | join(',') }}",
        "{{ state.nope + 1 }}",
        "{{ 'a' ~ state.nope }}",
        "{{ state.x1 | default(1) ~ state.nope }}",
        "{{ [state.nope] }}",
        "{{ (state.nope) }}",
        "{{ {'a': state.nope} | tojson }}",
        "{{ range(state.nope) }}",
        "{{ state.l | join(state.nope) }}",
        "{{ state.l[state.nope] }}",
        "{{ state.nope == 1 }}",
        "{% if state.nope %}{% endif %}",
        "{% for e in state.nope %}{% endfor %}",
        "{% set x = state.nope %}{{ x }}",
        "ä{{ 'ü' }}{{ state.nope }}",
    ],
)
def test_a_name_that_does_not_exist_is_an_error_that_says_which(source):
    assert undefined(source) == "state.nope"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("{{ state.o.missing }}", "state.o.missing"),
        ("{{ state.o.no.deeper[0] }}!", "state.o.no.deeper[0]"),
        ("{{ state.n.x }}!", "state.n.x"),
        ("{{ state.l[2] }}!", "state.l[2]"),
        ("{{ item }}", "item"),
        ("{{ error.code }}!", "error.code"),
        ("{{ nope.x }}!", "nope.x"),
        ("{% for e in state.d %}{{ e.z }}{% endfor %}", "e.z"),
        ("{% for e in state.d %}{{ e.z | tojson }}{% endfor %}", "e.z"),
        ("{% for e in state.d %}{{ state.x | default(1) ~ e.z.y }}{% endfor %}", "e.z.y"),
    ],
)
def test_the_error_names_the_whole_path(source, name):
    assert undefined(source) == name


@pytest.mark.parametrize("key", ["items", "keys", "get", "clear", "values", "copy"])
def test_a_key_is_never_taken_for_a_method(key):
    everywhere = f"{{{{ state.{key} }}}}{{% for e in state.l %}}{{{{ e.{key} }}}}{{% endfor %}}"

    assert shown(everywhere, {"state": {key: 1, "l": [{key: 2}]}}) == "12"
    assert undefined(f"{{{{ state.{key} }}}}!") == f"state.{key}"
    assert undefined(
        f"{{% for e in state.d %}}{{{{ e.k }}}}{{{{ e.o.{key} }}}}{{% endfor %}}", {"state": {"d": [{"k": 1, "o": {}}]}}
    )
    assert (
        shown(f"{{% for e in state.d %}}{{{{ e.{key} | default('none') }}}}{{% endfor %}}", {"state": {"d": [{}]}})
        == "none"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ state.nope | default('none') }} {{ state.o.deep.er | default(3) }}", "none 3"),
        ("{{ state.nope | d(1) }}{{ (state.no.pe) | default(2) }}{{ ((state.no.pe)) | default(3) }}", "123"),
        ("{{ state.n.x.y | default(1) }}{{ state.l[7].k | default(2) }}{{ item.k | default(3) }}", "123"),
        ("{% for e in state.d %}{{ e.no.pe | default('-') }}{{ e.items | default('-') }}{% endfor %}", "---5"),
        ("{{ state.nope | default(state.o.nope | default('inner')) }}", "inner"),
        ("{{ state.n | default('none') }}{{ state.null | default('none') }}", "3null"),
        ("{{ state.nope is defined }} {{ state.no.pe is not defined }} {{ state.n is defined }}", "false true true"),
        ("{{ state.nope | default([]) | length }}", "0"),
    ],
)
def test_default_stands_in_for_what_does_not_exist_and_for_missing_parents(source, text):
    assert shown(source) == text


@pytest.mark.parametrize("key", ["o", "l", "n", "s", "t", "null", "f", "mixed"])
def test_a_template_that_is_one_placeholder_yields_the_value_itself(key):
    assert render_value(compile_template(f"{{{{state.{key}}}}}"), NAMES) is STATE[key]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ state.n }} ", "3 "),
        ("{{ state.n }}{{ state.n }}", "33"),
        ("{{ state.n | string }}", "3"),
        ("{{ true }}", "true"),
        ("{{ 5 }}", "5"),
        ("{{ state.o.x.y[0] }}", "deep"),
        ("{{ state['o'].b }}", 1),
        ("text", "text"),
    ],
)
def test_any_other_template_yields_a_string(source, value):
    assert render_value(compile_template(source), NAMES) == value


def test_as_text_one_placeholder_is_a_string_too():
    assert shown("{{ state.n }}") == "3"
    assert shown("{{ state.l }}") == '["a","b"]'


def test_what_one_placeholder_names_has_to_exist():
    with pytest.raises(TemplateUndefined, match=r"'state\.o\.missing' does not exist"):
        render_value(compile_template("{{ state.o.missing }}"), NAMES)


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("text", set()),
        ("{{ state.x.y[0] }}", {("state", "x", "y")}),
        ("{{ state['x'].y }} {{ state.x['a b'] }}", {("state", "x", "y"), ("state", "x", "a b")}),
        ("{% for e in state.l %}{{ e.k }}{{ loop.index }}{{ f }}{% endfor %}{{ e }}", {("state", "l"), ("f",), ("e",)}),
        ("{% for k, v in state.o | items %}{{ k }}{{ v.x }}{% endfor %}", {("state", "o")}),
        ("{% set x = state.n %}{{ x.y }}", {("state", "n")}),
        ("{{ item }}{{ meta.run_id }}{{ errors[0].code }}", {("item",), ("meta", "run_id"), ("errors",)}),
        ("{{ state.a | join(state.b) | default(input.c) }}", {("state", "a"), ("state", "b"), ("input", "c")}),
        ("{{ state[input.k].z }}", {("state",), ("input", "k")}),
        (
            "{% if state.a and not state.b is none %}{{ range(state.c) }}{% endif %}",
            {("state", "a"), ("state", "b"), ("state", "c")},
        ),
        ("{{ 'state.x' }}{# {{ state.y }} #}{% raw %}{{ state.z }}{% endraw %}", set()),
        ("{{ state.x|tojson(indent=n) }}", {("state", "x"), ("n",)}),
        ("{{ state.x-y }}", {("state", "x"), ("y",)}),
        ("{{ 'a }}' ~ state.x }}", {("state", "x")}),
        ("{{ {'a': {'b': state.x}} }}", {("state", "x")}),
        ("{{ state.items }}", {("state", "items")}),
    ],
)
def test_the_names_that_a_template_reads_are_known(source, references):
    assert compile_template(source).references == references


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("{{ state.a | default(1) }}{{ state.b }}", {("state", "a")}),
        ("{{ state.a | default(1) }}{{ state.a }}", set()),
        ("{% if state.a is defined %}{% endif %}{{ state.b.c is not defined }}", {("state", "a"), ("state", "b", "c")}),
        ("{{ state.a | upper | default(1) }}", set()),
    ],
)
def test_names_are_guarded_that_only_occur_where_they_may_be_missing(source, guarded):
    assert compile_template(source).guarded == guarded


@pytest.mark.parametrize(
    ("source", "literal", "whole"),
    [
        ("text { } }}", True, None),
        ("", True, None),
        ("{{ state.a.b[0] }}", False, ("state", "a", "b", 0)),
        ("{{- item -}}", False, ("item",)),
        ("{{ state.a }} ", False, None),
        ("{{ state.a | upper }}", False, None),
        ("{{ none }}", False, None),
        ("{# note #}", False, None),
    ],
)
def test_what_kind_of_template_it_is(source, literal, whole):
    template = compile_template(source)

    assert (template.literal, template.whole) == (literal, whole)


def test_variables_of_ours_do_not_collide_with_names_in_the_template():
    source = "{% for v_1 in state.l %}{{ v_1 }}{{ state.n }}{% endfor %}{{ v_0 }}"

    assert shown(source, {**NAMES, "v_0": "!"}) == "a3b3!"


def test_the_state_may_be_any_mapping():
    names = {"state": MappingProxyType({"a": 1})}

    assert shown("{{ state.a }}{{ state | tojson }}{% for k in state %}{{ k }}{% endfor %}", names) == '1{"a":1}a'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ state.", "no end"),
        ("a\n{% for %}", r"\(line 2\)"),
        ("{% if x %}", "end of input"),
        ("{{ 1 ++ }}", "unexpected"),
        ("{{ state.a state.b }}", "unexpected"),
        ("{{ 'a }}", "end of string"),
        ("{% endfor %}", "unknown|unexpected"),
        ("{{ state.n | nofilter }}", "no filter 'nofilter'"),
        ("{{ state.n | nofilter if false }}", "no filter 'nofilter'"),
        ("{{ state.n is nothing }}", "no test 'nothing'"),
        ("{{ nofunction(1) }}", "no function 'nofunction'"),
        ("{% include 'x' %}", "tag 'include'"),
        ("{% macro m() %}{% endmacro %}", "tag 'macro'"),
    ],
)
def test_what_does_not_compile_says_why(source, reason):
    with pytest.raises(TemplateSyntaxError, match=reason):
        compile_template(source)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=9))
def test_any_text_compiles_or_is_refused(fragments):
    source = " ".join(fragments)

    try:
        template = compile_template.__wrapped__(source)
    except TemplateSyntaxError:
        return
    assert template.source == source


@pytest.mark.parametrize(
    "source", ["{{ state.n | join }}", "{{ state.n | items }}", "{{ state.n | length }}", "{{ 1 + 'a' }}"]
)
def test_a_value_of_the_wrong_type_fails_the_template(source):
    with pytest.raises(TemplateFailed):
        shown(source)
