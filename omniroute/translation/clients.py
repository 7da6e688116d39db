"""A table's `client` section: where clients ask, and what they read beside answers to requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from omniroute.config.model import ModelKind
from omniroute.translation.problem import Problem
from omniroute.translation.table import Table
from omniroute.translation.values import Act, Endpoint, KeyPlaces
from omniroute.wire.framing import FRAMINGS

METHODS: Final[Mapping[Act, str]] = {
    "infer": "POST",
    "count": "POST",
    "compact": "POST",
    "models": "GET",
    "model": "GET",
    "details": "POST",
    "kept": "GET",
    "forget": "DELETE",
    "about": "GET",
    "socket": "GET",
}
_PLACES: Final[Mapping[str, frozenset[Act]]] = {
    "{provider}": frozenset({"infer", "count"}),
    "{model}": frozenset({"infer", "count", "model"}),
    "{id}": frozenset({"kept", "forget"}),
}
"""What may stand in a path, and for which acts."""
_MUST: Final[Mapping[Act, str]] = {"model": "{model}", "kept": "{id}", "forget": "{id}"}
_ANSWERS: Final[Mapping[Act, tuple[str, ...]]] = {
    "count": ("count",),
    "compact": ("compacted",),
    "models": ("model", "models"),
    "model": ("model",),
    "details": ("details",),
    "forget": ("forgotten",),
    "about": ("about",),
}
"""The answers that an act needs of the table."""
_PATH: Final = re.compile(
    r"/[\w.~-]+(?:/(?:[\w.~-]+|\{(?:provider|id)\}))*(?:/\{model\}(?::\w+)?)?", re.ASCII
)
_HEADER: Final = re.compile(r"[a-z0-9-]+")


def endpoints_of(table: Table) -> tuple[tuple[Endpoint, ...], list[Problem]]:
    """The rows of `client.serves`, and what is wrong with them."""
    found: list[Endpoint] = []
    problems: list[Problem] = []
    for key, row in table.mapping("client", "serves").items():
        endpoint = _endpoint(table, key, row)
        if isinstance(endpoint, Endpoint):
            found.append(endpoint)
        else:
            problems.append(Problem(path=("client", "serves", key), message=endpoint))
    return tuple(found), problems


def _endpoint(table: Table, key: str, row: Any) -> Endpoint | str:
    """An endpoint, or what is wrong with it."""
    members: dict[str, Any] = cast(dict[str, Any], row) if isinstance(row, dict) else {"act": row}
    if members.keys() - {"act", "kind", "stream", "framing", "unless"}:
        return "a row is an act, or a map of act, kind, stream, framing and unless"
    act = members.get("act")
    if act not in METHODS:
        return f"the act is one of {', '.join(get_args(Act))}"
    method, _, path = key.partition(" ")
    if method != METHODS[act]:
        return f"{act} is asked for by {METHODS[act]}"
    if not _PATH.fullmatch(path):
        return "a path is /words, with {provider} or {id} as one of them, and {model}:word last"
    wrong = next((place for place, acts in _PLACES.items() if place in path and act not in acts), 0)
    if wrong or _MUST.get(act, "") not in path:
        return f"the path of {act} " + (f"has no {wrong}" if wrong else f"needs {_MUST[act]}")
    answers = table.mapping("client", "answers")
    missing = next((name for name in _ANSWERS.get(act, ()) if name not in answers), None)
    if missing is not None:
        return f"{act} needs client.answers.{missing}"
    if act in ("socket", "compact") and not table.mapping("client", act):
        return f"{act} needs client.{act}"
    kind = members.get("kind")
    wrong = _kind_problem(table, act, kind)
    if wrong is not None:
        return wrong
    stream, framing, unless = (members.get(name) for name in ("stream", "framing", "unless"))
    if not isinstance(stream, bool | None) or (framing is not None and framing not in FRAMINGS):
        return f"stream is true or false, framing one of {', '.join(FRAMINGS)}"
    if unless is not None and not (_is_texts(unless) and len(unless) == 1 and framing):
        return "unless is one query parameter with the value that takes framing back"
    return Endpoint(
        format=table.name,
        method=method,
        path=path,
        act=act,
        kind=kind,
        stream=stream,
        framing=framing,
        unless=next(iter(unless.items())) if unless else None,
        told_by=table.section("client", "told_by"),
    )


def _kind_problem(table: Table, act: Act, kind: Any) -> str | None:
    if kind is None:
        return None
    if kind not in get_args(ModelKind):
        return f"the kind is one of {', '.join(get_args(ModelKind))}"
    if act not in ("infer", "models"):
        return f"{act} has no kind"
    if act == "infer" and kind != "chat" and table.section(kind) is None:
        return f"what is asked of a model of the kind {kind} stands in the section {kind}"
    return None


def client_problems(table: Table) -> list[Problem]:
    """What is wrong with the rest of the section."""
    problems: list[Problem] = []

    def check(*path: str, holds: bool, message: str) -> None:
        if table.section("client", *path) is not None and not holds:
            problems.append(Problem(path=("client", *path), message=message))

    header = "a header's name in lower case"
    for path in (("told_by",), ("key", "header")):
        value = table.section("client", *path)
        good = isinstance(value, str) and _HEADER.fullmatch(value) is not None
        check(*path, holds=good, message=header)
    for path in (("key", "query"), ("loads_without",)):
        value = table.section("client", *path)
        check(*path, holds=isinstance(value, str), message="a name")
    check(
        "loads_without",
        holds=table.section("client", "answers", "loaded") is not None,
        message="loads_without needs client.answers.loaded",
    )
    check(
        "unknown_model",
        holds=isinstance(table.section("client", "unknown_model"), str),
        message="a text, with {model} for the model",
    )
    compact = table.section("client", "compact", "of")
    check("compact", holds=compact is not None, message="compact needs of")
    socket = table.mapping("client", "socket")
    check("socket", holds=isinstance(socket.get("error"), dict), message="socket needs error")
    lane = socket.get("lane")
    check("socket", "lane", holds=isinstance(lane, str), message="a name")
    named = table.section("client", "progress", "named")
    check("progress", "named", holds=isinstance(named, bool), message="true or false")
    check(
        "errors_at",
        holds=all(path.startswith("/") for path in table.section("client", "errors_at") or ()),
        message="errors_at lists paths, or beginnings of paths",
    )
    return problems


def key_places(table: Table) -> KeyPlaces:
    """Where else than in `Authorization` the format's clients put their key."""
    key: Mapping[str, str] = table.mapping("client", "key")
    return KeyPlaces(
        headers=(key["header"],) if "header" in key else (),
        queries=(key["query"],) if "query" in key else (),
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, str) for one in cast(dict[str, Any], value).values()
    )
