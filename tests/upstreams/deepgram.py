"""A fake Deepgram: a file as it is, options in the query, and nothing that is not documented.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from omniroute.wire.audio import container_of
from tests.chat import answer
from tests.scripted import Recorded, Script

_KNOWN: Final = frozenset(
    {"model", "language", "detect_language", "smart_format", "utterances", "diarize"}
)
_SAID: Final = (("Good morning.", 0.0, 1.25), ("How are you?", 1.25, 2.5))


def deepgram(asked: Recorded) -> Script:
    target = urlsplit(asked.target)
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    container = container_of(asked.body)
    if asked.headers.get("authorization") != "Token lab-credential":
        return [answer(401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."})]
    good = (
        (asked.method, target.path) == ("POST", "/v1/listen")
        and query.keys() <= _KNOWN
        and query.get("model") == "m"
        and container is not None
        and asked.headers["content-type"] == container.media_type
    )
    if not good or query.get("language", "en") != "en":
        told = {"err_code": "Bad Request", "err_msg": "Bad Request: language", "request_id": "r"}
        return [answer(400, told)]
    return [answer(200, _heard(query))]


def _heard(query: dict[str, str]) -> dict[str, Any]:
    speaks = {"speaker": 0} if query.get("diarize") == "true" else {}
    words = [
        {"word": word.lower().strip(".?"), "punctuated_word": word, "start": start, "end": end}
        for text, start, end in _SAID
        for word in text.split()
    ]
    best = {"transcript": " ".join(text for text, _, _ in _SAID), "words": words}
    channel: dict[str, Any] = {"alternatives": [{**best, "confidence": 0.99}]}
    if query.get("detect_language") == "true":
        channel["detected_language"] = "en"
    results: dict[str, Any] = {"channels": [channel]}
    if query.get("utterances") == "true":
        results["utterances"] = [
            {"start": start, "end": end, "transcript": text, **speaks} for text, start, end in _SAID
        ]
    return {"metadata": {"request_id": "r", "duration": 2.5, "channels": 1}, "results": results}
