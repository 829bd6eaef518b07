"""The page of the reference about the command line, written from the commands themselves.

python -m api.cli._reference > docs/reference/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from api.cli._app import BROKEN_OFF, FAILED, MISUSED, PARTS, UNANSWERED, app

HEAD = f"""# The command line

This page is made from the commands by `make docs`. `clew --help`, and `--help` behind each command, say the same.

Answers go to standard output, everything else to standard error. With `--json` an answer is JSON on one line, with all
that there is to it; what is written for people may change. Every command has it but `serve` and `worker`, which answer
nothing. Where a command asks a server, `--url` says which one. With `--db sqlite:///FILE` it needs none: reading works
beside a server too, and what writes is refused while a server has the file.

## Exit statuses

| status | means |
| --- | --- |
| 0 | what was asked was done. Commands that move a run end with 0 when it was moved, whatever becomes of it |
| {FAILED} | it could not be done, or what was looked at is not in order; standard error says why and what to do |
| {MISUSED} | the command was not understood: an unknown option, a value of the wrong kind |
| {UNANSWERED} | `clew run` alone: the run waits for an answer that nobody gave |
| {BROKEN_OFF} | it was broken off by Ctrl-C |

## Completion

`clew --install-completion` teaches your shell (bash, zsh, fish or PowerShell) to complete commands and options with the
Tab key, in the next shell that you open. `clew --show-completion` writes what it would install. Nothing is asked over a
network.
"""


def commands() -> Iterator[tuple[str, str, Any]]:
    """All commands, as the part of the help that each one stands in, its words, and itself."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        if not hasattr(command, "commands"):
            yield command.rich_help_panel, name, command
        else:
            for below, found in command.commands.items():
                yield command.rich_help_panel, f"{name} {below}", found


def page() -> str:
    """The whole page, as Markdown."""
    found = list(commands())
    parts = [HEAD]
    for part in PARTS:
        parts.append(f"\n## {part}\n")
        parts += [_section(words, command) for panel, words, command in found if panel == part]
    return "".join(parts)


def _section(words: str, command: Any) -> str:
    rows = [(_name(parameter), _default(parameter), _about(parameter)) for parameter in command.params]
    table = "".join(f"| {' | '.join(row)} |\n".replace("RUN|", "RUN\\|") for row in rows)
    arguments = "".join(f" {_value(found)}" for found in command.params if not _is_option(found))
    head = f"\n### clew {words}\n\n```\nclew {words}{arguments}\n```\n\n{command.help.strip()}\n"
    return f"{head}\n| option | default | means |\n| --- | --- | --- |\n{table}" if rows else head


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _name(parameter: Any) -> str:
    if not _is_option(parameter):
        return f"`{_value(parameter)}`"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    return names if parameter.is_flag else f"{names} `{_value(parameter)}`"


def _value(parameter: Any) -> str:
    """The word for a value."""
    return str(parameter.metavar or "VALUE")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    return "" if shown in (None, False, [], ()) or parameter.show_default is False else f"`{shown}`"


def _about(parameter: Any) -> str:
    envvar = getattr(parameter, "envvar", None)
    return str(parameter.help) + (f" Also `{envvar}`." if envvar else "")


if __name__ == "__main__":
    sys.stdout.write(page())
