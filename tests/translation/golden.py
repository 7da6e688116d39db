"""One golden case: what is given runs through the tables, what comes out is compared as a whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import orjson
import yaml

from omniroute.base.bigjson import read_json, write_json
from omniroute.config.model import ModelKind
from omniroute.errors import TranslationError, UpstreamCutError, UpstreamReportedError
from omniroute.translation.values import Destination, Outbound, Pair, Stream
from omniroute.wire.framing import FRAMINGS
from tests.translation.tables import formats, target

FOLDER = Path(__file__).parent.parent / "golden" / "translation"
_MARK = "\nexpect:"


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full; an alias would hide what is expected."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def cases() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _read(path: Path) -> Any:
    # libyaml's parser takes an eighth of the time, which several hundred files make seconds.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def load(path: Path) -> dict[str, Any]:
    return cast(dict[str, Any], _read(path))


def save(path: Path, expect: dict[str, Any]) -> None:
    """Put new expectations behind what was given, which stays as it was written."""
    head = path.read_text(encoding="utf-8").split(_MARK)[0].rstrip("\n")
    text = yaml.dump(
        {"expect": expect},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )
    path.write_text(f"{head}\n{text}", encoding="utf-8")


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Everything that a case's given parts lead to."""
    pair = formats().pair(case["client"], case["upstream"], kind_of(case))
    given: dict[str, Any] = case["given"]
    body: dict[str, Any] = given.get("request") or {}
    facts: dict[str, Any] = dict(case.get("target") or {})
    for name in facts.keys() & {"capabilities", "without"}:
        facts[name] = frozenset(facts[name])
    where = target(**facts)
    found: dict[str, Any] = {}
    if "request" in given and not case.get("answer_only"):
        found["request"] = _request(pair, body, where)
    if "reply" in given:
        found["reply"] = _reply(pair, given["reply"], body, where)
    if "stream" in given:
        found["stream"] = _stream(case, pair, body, where)
    if "onward" in given:
        found["onward"] = [_onward(pair, body, where, *one) for one in enumerate(given["onward"])]
    if "raw" in given:
        found["raw"] = _raw(pair, body, where, given["raw"].encode())
    if "failure" in given:
        found["failure"] = _failure(case["client"], pair, given["failure"])
    return found


def kind_of(case: dict[str, Any]) -> ModelKind:
    """Of the model that a case is about."""
    return case.get("kind", "chat")


def _request(pair: Pair, body: dict[str, Any], where: Destination) -> dict[str, Any]:
    try:
        sent = pair.request(body, write_json(body), where)
    except TranslationError as error:
        return {"refused": error.message, "param": error.param}
    if sent.tail is not None:
        return _form(sent)
    parts = [read_json(body) for body in (*sent.earlier, sent.body)]
    bodies: dict[str, Any] = {"bodies": parts} if sent.earlier else {"body": parts[0]}
    return {**bodies, "dropped": list(sent.dropped)}


def _form(sent: Outbound) -> dict[str, Any]:
    """Of a request that goes with a file."""
    around = (sent.body, b"<file>", sent.tail or b"")
    found: dict[str, Any] = {"type": dict(sent.headers)["content-type"]}
    if sent.query:
        found["query"] = [list(pair) for pair in sent.query]
    return {**found, "form": b"".join(around).decode(), "dropped": list(sent.dropped)}


def _reply(pair: Pair, answer: Any, body: dict[str, Any], where: Destination) -> dict[str, Any]:
    parts = cast(list[Any], answer) if isinstance(answer, list) else [answer]
    *earlier, raw = map(write_json, parts)
    try:
        reply = pair.reply(raw, body, where, earlier=earlier)
    except UpstreamReportedError:
        return {"failure": _plain(pair.failure(200, {}, raw))}
    except UpstreamCutError as error:
        return {"cut": str(error)}
    is_json = reply.content_type == "application/json"
    body_of = read_json if is_json else bytes.decode
    found = {"body": body_of(reply.body), "usage": _plain(reply.usage), "stop": reply.stop}
    return found | _more(reply.dropped, reply.remember)


def _onward(
    pair: Pair, body: dict[str, Any], where: Destination, step: int, answer: Any
) -> dict[str, Any] | str:
    """What is asked when a request of several is answered."""
    try:
        onward = pair.onward(write_json(answer), body, where, step=step)
    except UpstreamCutError as error:
        return {"cut": str(error)}
    if onward is None:
        return "that was all"
    sent = onward.outbound
    asked: dict[str, Any] = {"method": sent.method, "path": sent.path}
    return asked | ({"body": read_json(sent.body)} if sent.body else {})


def _raw(pair: Pair, body: dict[str, Any], where: Destination, given: bytes) -> dict[str, Any]:
    """Of an answer that is no JSON."""
    if not where.stream:
        reply = pair.reply(given, body, where)
        return {"body": reply.body.decode(), "usage": _plain(reply.usage)}
    stream = pair.stream(body, where)
    out = stream.feed(given) + stream.finish()
    return {"body": out.decode(), "usage": _plain(stream.usage)}


def _stream(
    case: dict[str, Any], pair: Pair, body: dict[str, Any], where: Destination
) -> dict[str, Any]:
    raw = upstream_bytes(case["upstream"], case["given"]["stream"])
    stream = pair.stream(body, where)
    out = stream.feed(raw)
    found: dict[str, Any] = {}
    try:
        out += stream.finish()
    except UpstreamCutError as error:
        found["cut"] = str(error)
    if stream.failure is not None:
        found["failure"] = _plain(stream.failure)
        out += stream.fail(stream.failure)
    found["frames"] = client_frames(case["client"], out)
    found["usage"] = _plain(stream.usage)
    found["stop"] = stream.stop
    if stream.malformed:
        found["malformed"] = stream.malformed
    _check_splits(pair, body, where, raw, out)
    return found | _more(stream.dropped, stream.remember)


def _check_splits(
    pair: Pair, body: dict[str, Any], where: Destination, raw: bytes, out: bytes
) -> None:
    """Byte by byte the output must be the same."""
    stream = pair.stream(body, where)
    split = b"".join(stream.feed(raw[at : at + 1]) for at in range(len(raw)))
    split += _end(stream)
    assert split == out


def _end(stream: Stream) -> bytes:
    try:
        out = stream.finish()
    except UpstreamCutError:
        out = b""
    return out + (b"" if stream.failure is None else stream.fail(stream.failure))


def _failure(client: str, pair: Pair, given: dict[str, Any]) -> dict[str, Any]:
    body = given["body"]
    raw = body.encode() if isinstance(body, str) else write_json(body)
    failure = pair.failure(given["status"], given.get("headers") or {}, raw)
    envelope = formats().client(client).error(failure, "req-1")
    return {"failure": _plain(failure), "envelope": read_json(envelope)}


def _plain(value: Any) -> dict[str, Any]:
    """A value's fields that are known."""
    fields = cast(dict[str, Any], msgspec.to_builtins(value))
    return {name: field for name, field in fields.items() if field is not None}


def _more(dropped: tuple[str, ...], remember: Any) -> dict[str, Any]:
    return ({"dropped": list(dropped)} if dropped else {}) | (
        {"remember": remember} if remember else {}
    )


def upstream_bytes(format_name: str, events: list[Any]) -> bytes:
    """Events as a provider of that format would write them; text is written as it stands."""
    framing = framing_of(format_name)
    encoder = FRAMINGS[framing].encoder()
    frames: list[bytes] = []
    for event in events:
        if isinstance(event, str):
            frames.append(encoder.encode(event.encode()))
        else:
            name = event.get("type") if framing == "sse-named" else None
            named = name if isinstance(name, str) else None
            frames.append(encoder.encode(write_json(event), named))
    return b"".join(frames) + encoder.close()


def client_frames(format_name: str, out: bytes) -> list[Any]:
    """What a client reads: each frame's data, and that its event's name is its type."""
    decoder = FRAMINGS[framing_of(format_name)].decoder()
    frames: list[Any] = []
    for event in decoder.feed(out) + decoder.finish():
        try:
            data = read_json(event.data)
        except orjson.JSONDecodeError:
            frames.append(event.data.decode())
            continue
        assert event.event is None or event.event == data["type"]
        frames.append(data)
    return frames


@cache
def framing_of(format_name: str) -> str:
    path = Path(__file__).parents[2] / "translators" / f"{format_name}.yaml"
    return cast(str, _read(path)["framing"])
