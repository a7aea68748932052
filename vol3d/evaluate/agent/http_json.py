"""JSON over HTTP with the standard library: one deadline, no redirects, errors by kind."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

_CHUNK = 65536
MOST_BYTES = 64 * 1024 * 1024
"""A longer reply is refused."""


class HttpError(Exception):
    """A request without a usable reply.

    Args:
        kind: ``time-out``, ``connection``, ``http 500``, ``invalid reply``.
        detail: What happened; may hold text of the server.
        can_retry: Whether the same request may do better later.
        wait_s: How long the server asks to wait, if it does.
    """

    def __init__(
        self, kind: str, detail: str, *, can_retry: bool, wait_s: float | None = None
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.can_retry = can_retry
        self.wait_s = wait_s


def post_json(
    url: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str],
    timeout_s: float,
) -> Any:
    """The JSON value that a server replies.

    A redirect is not followed, so that no key goes to another server; proxies are not used.

    Args:
        url: http or https.
        body: Sent as JSON.
        headers: Beside those of JSON.
        timeout_s: From connecting to the last byte; headers that drip in may take longer.

    Raises:
        HttpError: There is no such value.
    """
    parts = urlsplit(url)
    deadline = time.monotonic() + timeout_s
    connection = _connection(parts, timeout_s)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
        connection.request("POST", target, body=json.dumps(body).encode("utf-8"), headers=sent)
        _limit(connection, deadline)
        response = connection.getresponse()
        data = _read(connection, response, deadline)
    except TimeoutError:
        raise HttpError(
            kind="time-out", detail=f"no full reply within {timeout_s:g} s", can_retry=True
        ) from None
    except http.client.IncompleteRead as error:
        detail = f"the reply broke off after {len(error.partial)} bytes"
        raise HttpError(kind="invalid reply", detail=detail, can_retry=True) from None
    except (OSError, http.client.HTTPException) as error:
        detail = f"{type(error).__name__}: {error}"
        raise HttpError(kind="connection", detail=detail, can_retry=True) from None
    finally:
        connection.close()
    if response.status != 200:
        raise _refused(response.status, data, response.getheader("Retry-After"))
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        detail = f"no valid JSON in {len(data)} bytes"
        raise HttpError(kind="invalid reply", detail=detail, can_retry=True) from None


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    """Lets the next step take what is left of the time."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _read(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline: float
) -> bytes:
    """The reply's body, by one deadline for all of it."""
    chunks: list[bytes] = []
    size = 0
    while True:
        _limit(connection, deadline)
        chunk = response.read1(_CHUNK)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise http.client.HTTPException(f"a reply of more than {MOST_BYTES} bytes")
    if response.length:  # the server promised more
        raise http.client.IncompleteRead(b"".join(chunks), response.length)
    return b"".join(chunks)


def _refused(status: int, data: bytes, retry_after: str | None) -> HttpError:
    can_retry = status in (408, 409, 425, 429) or status >= 500
    wait_s = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    return HttpError(
        kind=f"http {status}",
        detail=data[:300].decode("utf-8", "replace").strip() or "an empty reply",
        can_retry=can_retry,
        wait_s=wait_s,
    )
