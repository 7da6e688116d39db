"""Asking a provider how many tokens a request has, as a table's `count` section says."""

from __future__ import annotations

import orjson

from omniroute.base.bigjson import read_json
from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.translation.format import Format
from omniroute.translation.naming import path_with
from omniroute.translation.pair import fixed_headers, render, run, run_object
from omniroute.translation.values import Outbound


class TableCounter:
    """See `omniroute.translation.values.Counter`."""

    def __init__(self, format: Format) -> None:
        self._path: str = format.table.sections["count"]["path"]
        self._headers = fixed_headers(format)
        self._encode = format.functions["count.encode"]
        self._decode = format.functions["count.decode"]

    def request(self, body: bytes, model: str) -> Outbound:
        asked = run(self._encode, read_json(body), {"dropped": {}, "model": model})
        return Outbound(
            path=path_with(self._path, model),
            headers=self._headers,
            body=render(asked),
        )

    def reply(self, body: bytes) -> int:
        try:
            found = run_object(self._decode, orjson.loads(body), {"dropped": {}})
        except (orjson.JSONDecodeError, TranslationError) as error:
            raise UpstreamCutError("the provider's count cannot be read") from error
        tokens = found.get("tokens")
        if type(tokens) is not int or tokens < 0:
            raise UpstreamCutError("the provider's answer holds no count")
        return tokens
