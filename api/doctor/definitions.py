"""The folder of workflows: each file with what the hot reload would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.doctor.finding import CannotLook, Finding, fail, failing, ok, warn
from api.workflows import Workflows
from engine.validate import Limits, validate
from store.memory import MemoryStore
from watcher.definitions import Definitions, paths_in, read_file


async def definitions(folder: Path, max_depth: int, limits: Limits) -> list[Finding]:
    """One finding for each file, as a server that begins with an empty database sees it."""
    workflows = Workflows(MemoryStore("memory://"), limits, lambda: 0)
    followed = Definitions(folder, max_depth, workflows)
    try:
        with failing("workflows", "give the folder with --workflows"):
            await followed.sync()
            paths = paths_in(folder)
    except CannotLook as error:
        return [error.finding]
    faults = {fault.file: fault for fault in followed.faults}
    names = [str(path.relative_to(folder)) for path in paths]
    found = [
        fault_of(faults[name].as_json()) if name in faults else _file(folder, name, max_depth, limits) for name in names
    ]
    return found or [warn("workflows", f"there is no workflow in {folder}", "put files there that end in .json")]


def fault_of(shape: Any) -> Finding:
    """What is wrong with a file, in the shape in which a server tells it."""
    errors = [problem for problem in shape["problems"] if problem["severity"] == "error"]
    said = "; ".join(_problem(problem) for problem in errors) or shape["message"]
    where = shape["file"] or "the folder"
    return fail("workflows", f"{where}: {said}", "mend it; the last good version is used meanwhile")


def _file(folder: Path, name: str, max_depth: int, limits: Limits) -> Finding:
    document = read_file(folder / name, max_depth).document
    found = [problem.as_json() for problem in validate(document, limits)]
    if found:
        said = "; ".join(_problem(problem) for problem in found)
        return warn("workflows", f"{name}: {said}", f"see 'clew validate {folder / name}'")
    return ok("workflows", f"{name}: valid")


def _problem(problem: Any) -> str:
    hint = f" ({problem['hint']})" if problem["hint"] else ""
    return f"{problem['path'] or '/'} {problem['message']}{hint}"
