"""Now, on both clocks: routing counts on the loop's, people read the calendar's."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from omniroute.worker.runtime import Runtime

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""A UTC time as answers write it."""


class Moment(Struct, frozen=True):
    """The same instant as the loop's time and as UTC."""

    loop_s: float
    utc: datetime

    def left_ms(self, until_s: float) -> int:
        """How long until a time of the loop; 0 when it has passed."""
        return max(0, round((until_s - self.loop_s) * 1000))

    def at(self, loop_s: float) -> datetime:
        """A time of the loop as UTC."""
        return self.utc + timedelta(seconds=loop_s - self.loop_s)

    def epoch_ms(self, loop_s: float) -> int:
        return round(self.at(loop_s).timestamp() * 1000)


def moment(runtime: Runtime) -> Moment:
    """Only inside the worker's loop."""
    return Moment(asyncio.get_running_loop().time(), runtime.clock.now())
