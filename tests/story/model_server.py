#!/usr/bin/python3
"""model_server.py: a model server that does what a story wants.

It speaks OpenAI's `POST …/chat/completions` and Ollama's `POST …/api/chat` on a port of the
loopback. What it answers is a `Script`, by the model's name; it notes each request it got.

    server = ModelServer()
    server.models["m"] = [Script(status=429, retry_after="1"), Script(["Hel", "lo"])]  # one after the other
    … server.url, server.ollama_url, server.asked[0].body["messages"] …
    server.close()

The last script of a list is answered again and again. Alone (`model_server.py [PORT]`) it says its
port, and answers every model with a few paced words.
"""
import asyncio
import json
import sys
import threading


class Script:
    """One answer. `say` are its pieces of text; events are numbered from 0, as they are sent."""

    def __init__(self, say=("Hello", " there", "."), *, reasoning=(), tools=(), usage=(7, 3), finish=None,
                 pace=0, piece=0, comments=False, status=200, retry_after=None, body=None, content_type=None,
                 wait=None, holds=None, stall_at=None, cut_at=None, error_at=None, garbage_at=None, ends=True,
                 leaves_open=False):
        self.say, self.reasoning, self.tools = list(say), list(reasoning), list(tools)
        self.usage, self.finish = usage, finish or ("tool_calls" if tools else "stop")
        self.pace = pace                # seconds before each event
        self.piece = piece              # so many bytes in each write; 0: an event in each
        self.comments = comments        # a comment before each event (OpenAI only)
        self.status, self.retry_after, self.body = status, retry_after, body
        self.content_type = content_type
        self.wait = wait                # a threading.Event: no head before it is set
        self.holds = holds              # (number, a threading.Event): this event not before it is set
        self.stall_at = stall_at        # nothing more from this event on, the connection stays
        self.cut_at = cut_at            # the connection breaks off before this event
        self.error_at = error_at        # an error object in place of this event, and the end
        self.garbage_at = garbage_at    # no JSON in place of this event
        self.ends = ends                # with [DONE], done: true
        self.leaves_open = leaves_open  # all was said, but the body does not end


class Asked:
    """A request that came."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.raw = method, path, headers, body
        self.body = json.loads(body)


def openai_events(script, model):
    """The answer as the data of events, without [DONE]."""
    def chunk(delta, finish=None, **more):
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": model,
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **more}
    yield chunk({"role": "assistant", "content": ""})
    for text in script.reasoning:
        yield chunk({"reasoning_content": text})
    for text in script.say:
        yield chunk({"content": text})
    for index, (name, pieces) in enumerate(script.tools):
        yield chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function",
                                     "function": {"name": name, "arguments": ""}}]})
        for piece in pieces:
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, script.finish)
    if script.usage:
        given, made = script.usage
        yield {**chunk({}), "choices": [], "usage": {"prompt_tokens": given, "completion_tokens": made,
                                                     "total_tokens": given + made}}


def ollama_events(script, model):
    def line(message, **more):
        return {"model": model, "created_at": "2026-01-01T00:00:00.0Z",
                "message": {"role": "assistant", "content": "", **message}, "done": False, **more}
    for text in script.reasoning:
        yield line({"thinking": text})
    for text in script.say:
        yield line({"content": text})
    for name, pieces in script.tools:
        yield line({"tool_calls": [{"function": {"name": name, "arguments": json.loads("".join(pieces))}}]})
    counts = {"prompt_eval_count": script.usage[0], "eval_count": script.usage[1]} if script.usage else {}
    if script.ends:
        yield line({}, done=True, done_reason="length" if script.finish == "length" else "stop",
                   total_duration=1, **counts)


class Cut(Exception):
    pass


async def is_set(event):
    while not event.is_set():
        await asyncio.sleep(0.005)


class Answer:
    """One request being answered."""

    def __init__(self, writer, script, is_ollama, model):
        self.writer, self.script, self.is_ollama, self.model = writer, script, is_ollama, model

    async def write(self, data):
        """As one chunk of the body, in the pieces that the script wants."""
        data = b"%x\r\n%s\r\n" % (len(data), data)
        step = self.script.piece or len(data)
        for at in range(0, len(data), step):
            self.writer.write(data[at:at + step])
            await self.writer.drain()
            if self.script.piece:
                await asyncio.sleep(0)

    def framed(self, event):
        text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        return (text + "\n" if self.is_ollama else f"data: {text}\n\n").encode()

    async def fail(self):
        s = self.script
        body = s.body if s.body is not None else json.dumps({"error": {"message": "no", "type": "x"}})
        body = body if isinstance(body, bytes) else body.encode()
        after = f"Retry-After: {s.retry_after}\r\n" if s.retry_after is not None else ""
        self.writer.write(f"HTTP/1.1 {s.status} Status\r\n{after}Content-Type: "
                          f"{s.content_type or 'application/json'}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await self.writer.drain()

    async def events(self):
        s = self.script
        events = (ollama_events if self.is_ollama else openai_events)(s, self.model)
        for number, event in enumerate(events):
            if s.pace:
                await asyncio.sleep(s.pace)
            if s.holds and number == s.holds[0]:
                await is_set(s.holds[1])
            if number == s.stall_at:
                await asyncio.Event().wait()
            if number == s.cut_at:
                raise Cut
            if number == s.error_at:
                error = "it broke" if self.is_ollama else {"message": "it broke", "code": 500}
                await self.write(self.framed({"error": error}))
                return
            if s.comments and not self.is_ollama:
                await self.write(b": still here\n\n")
            await self.write(self.framed("}garbage{" if number == s.garbage_at else event))
        if s.ends and not self.is_ollama:
            await self.write(self.framed("[DONE]"))

    async def go(self):
        s = self.script
        if s.wait:
            await is_set(s.wait)
        if s.status != 200 or s.body is not None:
            await self.fail()
            return
        kind = s.content_type or ("application/x-ndjson" if self.is_ollama else "text/event-stream")
        self.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n".encode())
        await self.events()
        if s.leaves_open:
            await asyncio.Event().wait()
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


class ModelServer:
    def __init__(self, port=0):
        self.models, self.asked, self.left, self.connections = {}, [], 0, 0
        self.standard = [Script()]
        self._served = {}
        self._loop, self._up = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,), daemon=True)
        self._thread.start()
        self._up.wait()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.ollama_url = f"http://127.0.0.1:{self.port}"

    def _run(self, port):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def close(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def join(self):
        self._thread.join()

    def _script(self, model):
        scripts = self.models.get(model, self.standard)
        number = self._served[model] = self._served.get(model, -1) + 1
        return scripts[min(number, len(scripts) - 1)]

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except Cut:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in head[1:] if line)}
        asked = Asked(method, path, headers, await reader.readexactly(int(headers["content-length"])))
        self.asked.append(asked)
        model = asked.body.get("model", "")
        answer = Answer(writer, self._script(model), path.endswith("/api/chat"), model)
        # Who hangs up while it is answered is noticed, also by one who says nothing.
        work, gone = asyncio.ensure_future(answer.go()), asyncio.ensure_future(reader.read(1))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            self.left += 1
            work.cancel()
            return False
        gone.cancel()
        await asyncio.wait({gone})
        work.result()
        return True


def main():
    server = ModelServer(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    words = [f"{word} " for word in ("This is a model server for tests; it says the same to everybody, "
                                     "word after word, and then it ends.").split()]
    server.standard = [Script(words, usage=(12, len(words)), pace=0.1)]
    print(f"{server.url} {server.ollama_url}", flush=True)
    server.join()


if __name__ == "__main__":
    main()
