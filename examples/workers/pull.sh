#!/usr/bin/env bash
# A worker in plain shell: it asks for tasks with a tag, hands each to a command, and answers with what that writes.
#
#     bash examples/workers/pull.sh http://127.0.0.1:8080 count wc -c
#
# The command reads {"items": [{"task": …}]}, and writes JSON: the output, or a whole answer. If it fails, so does the
# task. Nothing has to be registered: who asks is the worker. A task is held on a lease of 30 seconds here; a POST to its
# reply_to with `heartbeat` in place of `result` extends it, and says whether the answer is still wanted.
set -uo pipefail
url=$1 tag=$2
shift 2
json='Content-Type: application/json'
auth=(${CLEW_TOKEN:+-H "Authorization: Bearer $CLEW_TOKEN"})

echo "ready $url"
while true; do
  leased=$(curl -fsS "${auth[@]}" -H "$json" -d "{\"tags\": [\"$tag\"], \"wait\": 20}" "$url/v1/tasks/lease") ||
    { sleep 1; continue; }
  reply_to=$(grep -o '"reply_to":"[^"]*"' <<< "$leased" | head -n 1 | cut -d '"' -f 4)
  [ -n "$reply_to" ] || continue
  answer=$("$@" <<< "$leased") || answer="{\"error\": {\"code\": \"command.failed\", \"message\": \"status $?\"}}"
  curl -fsS -o /dev/null --retry 5 --retry-connrefused -H "$json" -d "$answer" "$reply_to"
done
