"""The server's own beginning and end."""

from __future__ import annotations

from msgspec import Struct

from omniroute.management.login import login_rule
from omniroute.worker.runtime import Runtime


class InitState(Struct, frozen=True):
    """Whether somebody can come in without setting anything up first."""

    initialized: bool


class Ending(Struct, frozen=True):
    """It has begun: nothing new is accepted, and running requests may finish."""

    success: bool
    message: str


def init_state(runtime: Runtime) -> InitState:
    return InitState(initialized=login_rule(runtime).setup_complete)


def shut_down(runtime: Runtime) -> Ending:
    runtime.end()
    return Ending(success=True, message="Shutting down")


def restart(runtime: Runtime) -> Ending:
    runtime.restart()
    return Ending(success=True, message="Restarting")
