"""Formats whose clients ask over a WebSocket: what messages mean, what is told there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from omniroute.base.bigjson import write_json
from omniroute.translation.format import Format
from omniroute.translation.pair import context, run
from omniroute.translation.shape import is_object
from omniroute.translation.stream import TranslatedStream
from omniroute.translation.values import Destination

FRAMING = "ndjson"
"""One event a line, so that a line is a message."""


class TableSocket:
    """As a table's section `client.socket` says. See `omniroute.translation.values.OnSocket`."""

    framing = FRAMING

    def __init__(self, format: Format) -> None:
        self._format = format
        self.lane: str | None = format.table.section("client", "socket", "lane")

    def request(self, message: dict[str, Any]) -> dict[str, Any] | None:
        body = run(self._format.functions["client.socket.asks"], message, {"dropped": {}})
        return body if is_object(body) else None

    def prepares(self, message: dict[str, Any]) -> bool:
        prepares = self._format.functions["client.socket.prepares"]
        return run(prepares, message, {"dropped": {}}) is True

    def error(self, envelope: bytes, status: int, headers: Mapping[str, str]) -> bytes:
        node = {**orjson.loads(envelope), "status": status, "headers": dict(headers)}
        return write_json(self._format.functions["client.socket.error"](node, {"dropped": {}}))

    def prepared(self, body: dict[str, Any], target: Destination) -> bytes:
        stream = TranslatedStream(self._format, self._format, context(target, body))
        return stream.replay({"model": target.model, "blocks": [], "stop": "end_turn"})


def socket_of(format: Format) -> TableSocket | None:
    return TableSocket(format) if format.table.mapping("client", "socket") else None
