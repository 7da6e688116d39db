"""Where clients ask: the routes of every format's table, as they stand in a snapshot."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.routes import Answer, Handle, Route, Surface
from omniroute.http.inference import (
    about,
    compacting,
    counting,
    generate,
    models,
    responses,
    sockets,
)
from omniroute.translation.kinds import SENT_AS_FILES
from omniroute.translation.serving import choose
from omniroute.translation.values import Act, Endpoint, Formats
from omniroute.worker.runtime import Runtime

Places = Mapping[str, str]
"""What stands in a path: `model`, `provider`, `id`."""
Perform = Callable[[Runtime, Asked, Endpoint, Places], Coroutine[Any, Any, Answer | None]]

PERFORM: Final[Mapping[Act, Perform]] = {
    "infer": generate.infer,
    "count": counting.count,
    "compact": compacting.compact,
    "models": models.listing,
    "model": models.single,
    "details": models.details,
    "kept": responses.kept,
    "forget": responses.forget,
    "about": about.about,
    "socket": sockets.converse,
}
_SUMMARIES: Final[Mapping[Act, str]] = {
    "infer": "A request in the format {}",
    "count": "Tokens of a request in the format {}",
    "compact": "A conversation of {} in short, to go on from",
    "models": "Models that the key may use, as {} lists them",
    "model": "One model, as {} shows it",
    "details": "One model in detail, as {} shows it",
    "kept": "A kept response",
    "forget": "Forget a kept response",
    "about": "The gateway's version",
    "socket": "Requests over a WebSocket, as {} has them",
}
_REQUESTS: Final = frozenset({"infer", "count", "compact"})
"""Acts whose body is a request of the endpoint's format, or holds one."""
_WORD: Final = re.compile(r"\{(provider|id)\}")
_MODEL: Final = re.compile(r"/\{model\}(?::(\w+))?$")

Actions = Mapping[str, Sequence[Endpoint]]
"""Endpoints of one route by the word behind the model's colon, empty where there is none."""


def routes_of(formats: Formats) -> tuple[Route, ...]:
    """A route for each method and path; endpoints that differ behind the model share one."""
    grouped: dict[tuple[str, str], dict[str, list[Endpoint]]] = {}
    for endpoint in formats.endpoints:
        found = _MODEL.search(endpoint.path)
        path = _WORD.sub(r"<\1:str>", _MODEL.sub("/<path:path>", endpoint.path))
        actions = grouped.setdefault((endpoint.method, path), {})
        actions.setdefault((found and found[1]) or "", []).append(endpoint)
    return tuple(_route(method, path, actions) for (method, path), actions in grouped.items())


def _route(method: str, path: str, actions: Actions) -> Route:
    endpoints = [endpoint for rows in actions.values() for endpoint in rows]
    acts: dict[Act, None] = dict.fromkeys(endpoint.act for endpoint in endpoints)
    names = ", ".join(dict.fromkeys(endpoint.format for endpoint in endpoints))
    return Route(
        method=method,
        path=path,
        name=str(endpoints[0].act) + re.sub(r"\W", "_", path),
        surface=Surface.PUBLIC if acts.keys() == {"about"} else Surface.INFERENCE,
        handle=_by_model(actions) if path.endswith("<path:path>") else _plainly(actions[""]),
        summary="; ".join(_SUMMARIES[act].format(names) for act in acts),
        upgrades="socket" in acts,
        in_parts=any(one.act == "infer" and one.kind in SENT_AS_FILES for one in endpoints),
        formats=tuple(
            {(one.format, one.kind or "chat"): None for one in endpoints if one.act in _REQUESTS}
        ),
    )


def _plainly(endpoints: Sequence[Endpoint]) -> Handle:
    async def handle(runtime: Runtime, asked: Asked, **places: str) -> Answer | None:
        endpoint = endpoints[0] if len(endpoints) == 1 else choose(endpoints, asked.headers)
        return await _perform(runtime, asked, endpoint, places)

    return handle


def _by_model(actions: Actions) -> Handle:
    """The model is the rest of the path, less the action where the endpoints have actions."""
    plain = actions.get("")

    async def handle(runtime: Runtime, asked: Asked, path: str, **places: str) -> Answer | None:
        model, colon, action = path.rpartition(":")
        endpoints = actions.get(action) if colon and model else None
        if endpoints is None:
            if plain is None:
                raise _no_action(action if colon and model else None)
            endpoints, model = plain, path
        # SDKs send a model's slash as %2F, which routing leaves as it is.
        places["model"] = unquote(model)
        return await _perform(runtime, asked, choose(endpoints, asked.headers), places)

    return handle


def _no_action(action: str | None) -> RequestError:
    if action is None:
        return RequestError("not_found", "the path must end in a model, a colon and an action")
    return RequestError("not_found", f'there is no action "{action}" for models')


async def _perform(
    runtime: Runtime, asked: Asked, endpoint: Endpoint, places: Places
) -> Answer | None:
    if endpoint.format not in runtime.snapshot.formats.names():
        # Its table went away while the body came in.
        raise RequestError("not_found", "there is nothing at this path", code="unknown_path")
    return await PERFORM[endpoint.act](runtime, asked, endpoint, places)


def without(routes: Iterable[Route], taken: Iterable[Route]) -> tuple[list[Route], list[Route]]:
    """`routes` in two parts: those whose places are free, and those that would stand in `taken`."""
    places = {(route.method, route.path) for route in taken}
    free: list[Route] = []
    lost: list[Route] = []
    for route in routes:
        (lost if (route.method, route.path) in places else free).append(route)
    return free, lost
