"""The page of the reference that holds the matrix."""

from __future__ import annotations

from tests.behaviour.matrix import tables

HEAD = """# What joins make of failures

This page is made by `make docs`: every cell is played on the rules of the engine, with a worker, a clock and a store
that are simulated, and a test holds it to what they do. It answers what becomes of a run when a branch fails, is
skipped, waits or ends elsewhere. The words are explained in [the language](language.md).

## Branches at a join

```
            ┌──▶ a ──┐
  start ────┤        ├──▶ j ──▶ end
            └──▶ b ──┘
```

`a` answers. The row says what happens to `b`, the column how `j` joins. `a`, `b` and a handler `h` each append their
name to `log`. A cell gives the status of the run with the code of its error, and then what `j` saw in `log`, once for
each time that it ran: `a b` is one run of `j` after both, `a / b` are two runs of it, — means that `j` never ran.
Each cell is played twice, with the answer of `a` first and with `b` first; where that makes a difference, both ends
are told.

"""

BETWEEN = """
- `all`, a quorum and deferred nodes do not depend on who is first. `any` and `first` are there to depend on it, and
  so does how far a branch behind `each` has come when a run fails.
- A failing run starts nothing more: what `j` did before the failure stays, and a `j` that was not active yet never
  runs.
- For a join it is all the same whether a branch was skipped, took another route or went elsewhere by `goto`: nothing
  comes from there, and nobody waits for it. Only a quorum may then be out of reach.
- A retry of the run goes on as if the failure had not been.

## Items of a send

```
                  ┌══▶ b, for item 0 ══┐
  start ──▶ s ════╪══▶ b, for item 1 ══╪════▶ j ──▶ end
                  └══▶ b, for item 2 ══┘
```

`s` runs `b` for each of three items, which answer 0, 1 and 2. The row says what happens to item 1, the column what
`s` says of failed items (`on_item_error`). A cell gives the status of the run, and what `j` saw in the results.

"""


def page() -> str:
    """The whole page, as Markdown."""
    branches, items = tables()
    return HEAD + branches + BETWEEN + items
