"""view.py: what a client put together over any number of connections, and whether it may be so."""
from leat import check, same

TERMINAL = ("done", "failed", "cancelled", "expired")


class View:
    """The events of one chat, in the order in which a client got them.

    messages: what it holds of the current attempt; resets: what it was told; end: the name of the
    last named event ("done" for a bare [DONE]), None while it lacks one.
    """

    def __init__(self, *clients):
        self.attempt, self.messages, self.resets, self.end = None, [], [], None
        named = None
        for event in (e for client in clients for e in client.events):
            check(self.end is None, lambda e=event: f"{e} follows [DONE]")
            if event.name == "reset":
                self.messages = []
                self.resets.append(event.json())
            elif event.name:
                named = event.name
            elif event.data == "[DONE]" and event.id in (None, "end"):
                self.end = named or "done"
            else:
                self._take(event)
                if event.data == "[DONE]":
                    self.end = named or "done"

    def _take(self, event):
        attempt, number = event.id.split("-")
        check(not self.messages or attempt == self.attempt, f"{event} among messages of {self.attempt}: a mix")
        self.attempt = attempt
        same(int(number), len(self.messages) + 1, f"a hole or a duplicate: number of {event}")
        self.messages.append(event.data)

    def texts(self):
        return [m for m in self.messages if m != "[DONE]"]


def terminal_entries(redis, stream="stream:f:c"):
    return [f["type"] for _, f in redis.entries(stream) if f.get("type") in TERMINAL]
