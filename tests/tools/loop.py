"""A model that has a tool read a file, and then says what the tool read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.upstreams.scenario import Call, Scenario, Text
from tests.upstreams.seen import Seen


class Loop:
    """What a fake provider answers. A request that offers no such tool is a side errand, as a
    title for the session is."""

    def __init__(self, tool: str, arguments: Mapping[str, Any]) -> None:
        self._tool = tool
        self._arguments = arguments

    def decide(self, seen: Seen) -> Scenario:
        if seen.has_results:
            results = [item[2] for item in seen.turns[-1].items if item[0] == "result"]
            return Scenario(blocks=(Text(("The tool said: ", *results)),))
        if self._tool not in seen.tools:
            return Scenario(blocks=(Text(("A title",)),))
        call = Call(seen.tools.index(self._tool), self._arguments)
        return Scenario(blocks=(Text(("I have", " it read.")), call), stop="tool")
