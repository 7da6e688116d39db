"""Asking an embedding model for the vector of one text, as a table's `embedding` section says."""

from __future__ import annotations

from math import isfinite
from typing import Any

import orjson

from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.translation import hub
from omniroute.translation.format import Format
from omniroute.translation.naming import path_with
from omniroute.translation.pair import render, run, run_object
from omniroute.translation.shape import is_array
from omniroute.translation.values import Embedded, Outbound


class TableEmbedder:
    """See `omniroute.translation.values.Embedder`."""

    def __init__(self, format: Format) -> None:
        table = format.table
        self._path: str = table.sections["embedding"]["path"]
        headers = {"content-type": "application/json", **table.mapping("headers")}
        self._headers = tuple((name, str(value)) for name, value in headers.items())
        self._encode = format.functions["embedding.encode"]
        self._decode = format.functions["embedding.decode"]

    def request(self, text: str, model: str) -> Outbound:
        body = run(self._encode, {"model": model, "input": text}, {"dropped": {}})
        return Outbound(
            path=path_with(self._path, model),
            headers=self._headers,
            body=render(body),
        )

    def reply(self, body: bytes) -> Embedded:
        try:
            found = run_object(self._decode, orjson.loads(body), {"dropped": {}})
        except (orjson.JSONDecodeError, TranslationError) as error:
            raise UpstreamCutError("the embedding model's answer cannot be read") from error
        vector = found.get("vector")
        if (
            not is_array(vector)
            or not any(vector)
            or not all(_is_number(value) for value in vector)
        ):
            raise UpstreamCutError("the embedding model's answer holds no vector")
        return Embedded(
            vector=tuple(float(value) for value in vector), usage=hub.usage_of(found.get("usage"))
        )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)
