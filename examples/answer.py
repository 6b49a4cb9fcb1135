#!/usr/bin/env python3
"""A task of one's own: answers from a text file, word by word.

    WORKER_TASKS='generate_messages=python3 examples/answer.py' leat-worker
    curl -N -H 'Content-Type: application/json' -d '{"question": "What does the sluice do?"}' \
        'localhost:8000/stream?feature_id=f&chat_id=c'

Reads one job, a line of JSON, writes messages, a JSON object each, then says that it is done.
"""
import json
import os
import re
import sys
import time

TEXT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mill.txt")
PAUSE_S = float(os.environ.get("ANSWER_PAUSE_MS", "50")) / 1000


def say(message):
    print(json.dumps(message), flush=True)  # flush: the reader waits for it


def words(text):
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


job = json.loads(sys.stdin.buffer.readline())
body = job["payload"]  # what the client sent: any JSON, or null
question = str(body.get("question", "")) if isinstance(body, dict) else str(body or "")
with open(TEXT, encoding="utf-8") as file:
    paragraphs = file.read().split("\n\n")
best = max(paragraphs, key=lambda paragraph: len(words(paragraph) & words(question)))
for number, word in enumerate(best.split()):
    say({"id": str(number), "message": word})
    time.sleep(PAUSE_S)
say({"leat": "done"})
