"""A server of chat completions on this machine that misbehaves as it is told."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any]], str]
# What the n-th asking of a question meets: a status, `half`, `slow`, `no json`, `no choice`, or an answer.
Mood = Callable[[int], int | str]


class Chatty(ThreadingHTTPServer):
    """Answers with `say(body)`; counts how often each question came and was answered."""

    daemon_threads = True

    def __init__(self, say: Say, mood: Mood, key: str | None = None, delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say, self.mood, self.key, self.delay = say, mood, key, delay
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our worries."""


class _Handler(BaseHTTPRequestHandler):
    server: Chatty

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked[raw.decode()] += 1
            count = self.server.asked[raw.decode()]
        time.sleep(self.server.delay)
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self.reply(401, b"{}")
        mood = self.server.mood(count)
        if isinstance(mood, int):
            return self.reply(mood, b'{"error": "not now"}')
        if mood == "slow":
            time.sleep(0.7)
        content = self.server.say(json.loads(raw))
        finish = "length" if content.endswith("...") else "stop"
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
        usage = {"prompt_tokens": 100, "completion_tokens": len(content.split())}
        body = {"choices": [choice], "usage": usage}
        payload = {"no json": b"<html>", "no choice": b'{"choices": []}'}.get(mood, json.dumps(body).encode())
        if mood not in ("no json", "no choice", "half", "slow"):
            with self.server.lock:
                self.server.answered[raw.decode()] += 1
        return self.reply(200, payload, half=mood == "half")

    def reply(self, status: int, payload: bytes, *, half: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2] if half else payload)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def chatty(
    say: Say, mood: Mood = lambda count: "answer", key: str | None = None, delay: float = 0.0
) -> Iterator[Chatty]:
    server = Chatty(say, mood, key, delay)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
