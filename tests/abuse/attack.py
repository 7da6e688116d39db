"""What attacks share: the gateway that they press on, clients of it, and what an attack shows."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
from msgspec import Struct

from tests.running import ECHO, Served

BOUND_S: Final = 30.0
"""No answer and no end of a connection takes nearly as long."""
MB: Final = 1_000_000
KEY: Final = "omr_abuse"
CONFIG: Final = f"""{ECHO}
auth: {{require_api_key: true, dashboard: {{require_login: false}}}}
keys: {{app: {{hash: "sha256:{hashlib.sha256(KEY.encode()).hexdigest()}"}}}}
"""
SIGNED: Final = {"authorization": f"Bearer {KEY}"}


class Verdict(Struct, frozen=True, kw_only=True):
    """What one attack showed; `figure` is for people."""

    name: str
    held: bool
    figure: str

    def __str__(self) -> str:
        return f"{'held ' if self.held else 'BROKE'}  {self.name}: {self.figure}"


class Answer(Struct, frozen=True):
    status: int
    body: bytes
    headers: Mapping[str, str]
    """By lower-case name."""


def address_of(served: Served) -> tuple[str, int]:
    url = urlsplit(served.url)
    assert url.hostname is not None
    assert url.port is not None
    return url.hostname, url.port


def ask(
    served: Served, path: str, body: object = None, headers: Mapping[str, str] = SIGNED
) -> Answer:
    """A request on a connection of its own: a GET, or a POST of JSON, or of bytes as they are."""
    client = http.client.HTTPConnection(*address_of(served), timeout=BOUND_S)
    try:
        client.request(
            "GET" if body is None else "POST",
            path,
            body=None if body is None else _bytes(body),
            headers={"content-type": "application/json", **headers},
        )
        reply = client.getresponse()
        return Answer(reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})
    finally:
        client.close()


def request_bytes(path: str, body: object, headers: Mapping[str, str] = SIGNED) -> bytes:
    """A whole POST, behind which the server is to close."""
    data = _bytes(body)
    lines = [f"POST {path} HTTP/1.1", "host: x", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def exchange(
    served: Served, *pieces: bytes, half_close: bool = False, within_s: float = BOUND_S
) -> bytes:
    """Everything that comes back for these bytes, until the server closes.

    Raises TimeoutError when nothing comes for so long.
    """
    with socket.create_connection(address_of(served), timeout=within_s) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # pieces stay pieces
        # A server that has heard enough answers and closes while the rest is on its way.
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                sock.sendall(piece)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionError):
            while part := sock.recv(65536):
                found += part
        return found


class Bystander:
    """A second client, who asks for little again and again, and how long it waited at most."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest_s = 0.0
        self.failed = 0

    def _run(self) -> None:
        client = http.client.HTTPConnection(*address_of(self._served), timeout=BOUND_S)
        while not self._ended.wait(0.002):
            began_s = time.monotonic()
            try:
                client.request("GET", "/healthz")
                self.failed += client.getresponse().read() == b""
            except OSError:
                self.failed += 1
                client.close()
            self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        client.close()

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


class Usage(Struct, frozen=True):
    """Of the server and its children."""

    rss_bytes: int
    descriptors: int


def usage_of(served: Served) -> Usage:
    parent = psutil.Process(served.process.pid)
    family = [parent, *parent.children(recursive=True)]
    return Usage(sum(one.memory_info().rss for one in family), sum(one.num_fds() for one in family))


@contextmanager
def descriptors_return(served: Served, within_s: float = BOUND_S) -> Generator[list[int]]:
    """The list gets how many more are open than before; the server is given time behind the
    block."""
    before, more = usage_of(served).descriptors, list[int]()
    yield more
    ends_s = time.monotonic() + within_s
    while (left := usage_of(served).descriptors - before) > 0 and time.monotonic() < ends_s:
        time.sleep(0.05)
    more.append(max(0, left))


def metric(served: Served, name: str, **labels: str) -> float:
    """One sample of a scrape of a gateway with one worker."""
    scrape = ask(served, "/metrics").body.decode()
    for found in re.finditer(rf"^{name}{{(.*)}} (\S+)$", scrape, re.MULTILINE):
        if all(f'{label}="{value}"' in found[1] for label, value in labels.items()):
            return float(found[2])
    raise AssertionError(f"a scrape has no {name} with {labels}")


def chat(**members: Any) -> dict[str, Any]:
    """A small request to the built-in provider."""
    said = {"role": "user", "content": "hello"}
    return {"model": "echo", "messages": [said], **members}
