"""A chat-completions server on a local socket that replies what a test scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def message(content: str | None = None, calls: Any = None) -> bytes:
    """Body of a chat completion."""
    told = {"role": "assistant", "content": content}
    if calls is not None:
        told["tool_calls"] = calls
    return json.dumps({"choices": [{"message": told}]}).encode()


def says(content: str | None) -> Behaviour:
    """A final answer."""
    return body(message(content))


def calls(name: str, arguments: Mapping[str, Any]) -> Behaviour:
    """One well-formed tool call."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return raw_calls([{"id": "x", "type": "function", "function": function}])


def raw_calls(tool_calls: Any) -> Behaviour:
    """Tool calls as they stand, well formed or not."""
    return body(message(None, tool_calls))


def body(data: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Any body with any status."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(data)

    return behave


def truncated(data: bytes) -> Behaviour:
    """Half of what the header promises."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True

    return behave


def sleeps(seconds: float) -> Behaviour:
    """No reply for a while, then a good one that nobody waits for."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        says("A")(handler)

    return behave


def drips(num_bytes: int, every_s: float) -> Behaviour:
    """One byte after the other: each comes in time, all of them do not."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(num_bytes))
        handler.end_headers()
        for _ in range(num_bytes):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(every_s)

    return behave


@dataclass
class StubServer:
    """A running server: its address and what it was asked."""

    base_url: str
    script: list[Behaviour]
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextmanager
def chat_server(script: Sequence[Behaviour]) -> Iterator[StubServer]:
    """Runs a server that follows a script, one behaviour per request; the last one repeats."""
    stub = StubServer(base_url="", script=list(script))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            stub.requests.append(json.loads(self.rfile.read(length)))
            stub.headers.append(dict(self.headers))
            stub.paths.append(self.path)
            place = min(len(stub.requests), len(stub.script)) - 1
            try:
                stub.script[place](self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client had enough

        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    stub.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
