"""A worker for every transport: it answers with its prompt in capitals.

clew worker examples/workers/shouter.py:worker --transport webhook
clew worker examples/workers/shouter.py:worker --transport pull
clew worker examples/workers/shouter.py:worker --transport websocket
clew worker examples/workers/shouter.py:worker --transport redis_stream --broker redis://127.0.0.1:6379/0
clew worker examples/workers/shouter.py:worker --transport mqtt --broker mqtt://127.0.0.1:1883
"""

from __future__ import annotations

from clew import Task, TaskError, Worker

worker = Worker("shouter", max_concurrent=4)


@worker.task("shout")
def shout(task: Task) -> str:
    """What the prompt says, loudly, word by word."""
    if not task.prompt:
        raise TaskError("shout.nothing", "there is no prompt to shout", retryable=False)
    words = task.prompt.upper().split()
    for done, word in enumerate(words, start=1):
        task.emit_text(f"{word} ")
        task.progress("shouting", done / len(words))
    return " ".join(words)
