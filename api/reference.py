"""The interface as one page to read, made from its description: no scripts, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f6f8fa, #151b23);
  --link: light-dark(#0550ae, #79c0ff); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 64rem; padding: 1rem 1.5rem 4rem; }
a { color: var(--link); } code, pre { font: 13px/1.45 ui-monospace, monospace; }
h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; padding-bottom: .3rem; }
h3 { margin: 2rem 0 .5rem; } h3 code { font-size: 1rem; font-weight: 600; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; padding: .6rem; }
table { border-collapse: collapse; display: block; margin: .5rem 0 1rem; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--soft); font-weight: 600; } nav ul { columns: 26rem; list-style: none; padding: 0; }
nav li { break-inside: avoid; } .method { display: inline-block; font-weight: 700; min-width: 4.2rem; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def page(document: Json) -> str:
    """An OpenAPI document as HTML."""
    about, operations = document["info"], list(_operations(document))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(about['title'])}: the interface</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(about['title'])} {escape(about['version'])}</h1><p>{escape(about['description'])}</p>",
        '<p>For programs: <a href="/openapi.json">openapi.json</a>. Below: <a href="#schemas">all shapes</a>.</p><nav>',
    ]
    tagged = [(tag, [found for found in operations if tag["name"] == found[2]["tags"][-1]]) for tag in document["tags"]]
    for tag, found in tagged:
        links = "".join(f"<li>{_link(*operation)}</li>" for operation in found)
        parts.append(f"<h4>{escape(tag['name'])}</h4><ul>{links}</ul>")
    parts.append("</nav>")
    for tag, found in tagged:
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>")
        parts += [_operation(*operation) for operation in found]
    parts.append('<h2 id="schemas">Shapes</h2>')
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "".join((*parts, "</body></html>"))


def _operations(document: Json) -> Iterable[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _link(method: str, path: str, operation: Json) -> str:
    return f'<a href="#{operation["operationId"]}"><code><span class="method">{method}</span>{escape(path)}</code></a>'


def _operation(method: str, path: str, operation: Json) -> str:
    body = operation.get("requestBody")
    told = operation.get("description", "").partition("\n\n")[2]
    parts = [
        f'<section id="{operation["operationId"]}"><h3><code>{method} {escape(path)}</code></h3>',
        f"<p>{escape(operation['summary'])}. {escape(told)}</p>",
        f"<pre>{escape(_curl(method, path, body))}</pre>",
        _table(("parameter", "in", "type", ""), map(_parameter, operation.get("parameters", ()))),
    ]
    if body is not None:
        needed = "" if body.get("required") else ", may be left out"
        parts.append(f"<p>Body: {_content(body['content'])}{needed}</p>")
    answers = (
        (status, _content(answer.get("content", {})), escape(answer["description"]))
        for status, answer in operation["responses"].items()
    )
    return "".join((*parts, _table(("status", "answer", ""), answers), "</section>"))


def _curl(method: str, path: str, body: Json | None) -> str:
    way = f" -X {method}" if method != ("GET" if body is None else "POST") else ""
    return f"curl{way} 'http://127.0.0.1:8080{path}'" + (" -d '{…}'" if body is not None else "")


def _parameter(given: Json) -> tuple[str, ...]:
    name = f"<code>{escape(given['name'])}</code>" + (" *" if given.get("required") else "")
    told = given.get("description") or given["schema"].get("description", "")
    return name, given["in"], _type(given["schema"]), escape(told)


def _content(content: Json) -> str:
    return ", ".join(f"{_type(found['schema'])} ({escape(kind)})" for kind, found in content.items()) or "nothing"


def _shape(name: str, schema: Json) -> str:
    needed = schema.get("required", ())
    rows = (
        (f"<code>{escape(key)}</code>" + (" *" if key in needed else ""), _type(found), _told(found))
        for key, found in schema.get("properties", {}).items()
    )
    told = escape(schema.get("description", ""))
    table = _table(("field", "type", ""), rows) or f"<p>{_type(schema)}</p>"
    return f'<section id="schema-{escape(name)}"><h3><code>{escape(name)}</code></h3><p>{told}</p>{table}</section>'


def _told(schema: Json) -> str:
    default = f"Default <code>{escape(repr(schema['default']))}</code>. " if schema.get("default") is not None else ""
    return default + escape(schema.get("description", ""))


def _type(schema: Json) -> str:
    if (name := schema.get("$ref", "").rpartition("/")[2]) != "":
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    if one_of := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(_type(inner) for inner in one_of)
    if (values := schema.get("enum")) or "const" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values or [schema["const"]])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return escape(" ".join([schema.get("format", kind), *limits]))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{lines}</table>" if lines else ""
