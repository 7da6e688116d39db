"""Asking a provider which models it has, as a table's `listing` section says."""

from __future__ import annotations

from typing import Any

import orjson

from omniroute.errors import TranslationError, UpstreamCutError
from omniroute.translation.format import Format
from omniroute.translation.pair import fixed_headers, run_object


class TableLister:
    """See `omniroute.translation.values.Lister`."""

    def __init__(self, format: Format) -> None:
        self.path: str = format.table.sections["listing"]["path"]
        self.headers = fixed_headers(format)
        self._decode = format.functions["listing.decode"]

    def reply(self, body: bytes) -> tuple[str, ...]:
        try:
            found = run_object(self._decode, orjson.loads(body), {"dropped": {}})
        except (orjson.JSONDecodeError, TranslationError) as error:
            raise UpstreamCutError("the provider's list of models cannot be read") from error
        names: Any = found.get("models")
        if not isinstance(names, list):
            raise UpstreamCutError("the provider's answer holds no list of models")
        return tuple(name for name in names if isinstance(name, str))  # pyright: ignore[reportUnknownVariableType] -- what JSON holds
