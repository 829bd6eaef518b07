"""A worker of a Redis stream that does nothing but answer: `python -m bench.redis_worker --port N`, the one of Redis.

It does not parse what it is asked: where to answer stands beside the task.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

from redis import Redis

STREAM, GROUP = "bench:work", "clew-workers"
ANSWER = b'{"output":1}'
AT_A_TIME, BLOCK_MS = 64, 1_000


def main(port: int) -> None:
    with Redis(host="127.0.0.1", port=port, protocol=2) as client:
        client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        print("ready", flush=True)
        while True:
            for _, entries in client.xreadgroup(GROUP, "one", {STREAM: ">"}, AT_A_TIME, BLOCK_MS) or ():
                answers = client.pipeline(transaction=False)
                for _, fields in entries:
                    answers.xadd(fields[b"reply_to"], {"corr": fields[b"corr"], "body": ANSWER})
                answers.xack(STREAM, GROUP, *(entry_id for entry_id, _ in entries))
                answers.execute()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        main(parser.parse_args().port)
