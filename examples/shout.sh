#!/bin/sh
# A task of one's own in plain shell: shouts the words of the body's "text".
#
#     WORKER_TASKS='generate_messages=sh examples/shout.sh' leat-worker
#     curl -N -H 'Content-Type: application/json' -d '{"text": "hello mill"}' \
#         'localhost:8000/stream?feature_id=f&chat_id=c'
#
# Reads one job, a line of JSON, writes messages, a JSON object each, then says that it is done.
# The text is never taken out of its JSON escapes (\n, \", \u00e9), so its words can be put into
# the answer as they are: they are cut at spaces, which no escape contains, and upper case is
# given only to what is not an escape.
set -eu
export LC_ALL=C

pause=${SHOUT_PAUSE_S:-0.2}

# The last member "text" of the line; nothing where there is none.
text() {
    sed -nE 's/.*[{,[:space:]]"text"[[:space:]]*:[[:space:]]*"(([^"\\]|\\.)*)".*/\1/p'
}

# One word a line, in upper case.
shout() {
    tr -s ' ' '\n' | awk '{
        for (out = ""; match($0, /\\(u....|.)/); $0 = substr($0, RSTART + RLENGTH))
            out = out toupper(substr($0, 1, RSTART - 1)) substr($0, RSTART, RLENGTH)
        if (out $0 != "") print out toupper($0)
    }'
}

IFS= read -r job || [ -n "$job" ]
printf '%s\n' "$job" | text | shout | while IFS= read -r word; do
    printf '{"message": "%s!"}\n' "$word"
    sleep "$pause"
done
echo '{"leat": "done"}'
