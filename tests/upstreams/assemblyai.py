"""A fake AssemblyAI: upload, create, poll, and nothing that is not documented.

https://www.assemblyai.com/docs/openapi.json
"""

from __future__ import annotations

from typing import Any, Final

from omniroute.wire.audio import container_of
from tests.chat import answer
from tests.scripted import Recorded, Script

_KNOWN: Final = frozenset(
    {"audio_url", "speech_models", "language_code", "language_detection", "speaker_labels"}
)
_WORDS: Final = (("Good", 0), ("morning.", 600), ("How", 1250), ("are", 1500), ("you?", 2000))
_NAME: Final = "7f-1"


class AssemblyAi:
    """`polls` is how often a transcript is still being made; `says` what is wrong with it."""

    def __init__(self) -> None:
        self.polls = 1
        self.says: str | None = None
        self._left = 0
        self._heard: dict[str, Any] = {}

    def __call__(self, asked: Recorded) -> Script:
        if asked.headers.get("authorization") != "lab-credential":
            return [answer(401, {"error": "Authentication error, API token missing/invalid"})]
        match asked.method, asked.target:
            case "POST", "/v2/upload":
                kind = asked.headers.get("content-type")
                if kind != "application/octet-stream" or container_of(asked.body) is None:
                    return [answer(422, {"error": "Upload failed, please try again."})]
                return [answer(200, {"upload_url": f"https://cdn.example/{len(asked.body)}"})]
            case "POST", "/v2/transcript":
                return [self._created(asked)]
            case "GET", target if target == f"/v2/transcript/{_NAME}" and not asked.body:
                return [answer(200, self._polled())]
            case _:
                return [answer(404, {"error": "Not found"})]

    def _created(self, asked: Recorded) -> bytes:
        body: dict[str, Any] = asked.json()
        good = (
            asked.headers["content-type"] == "application/json"
            and body.keys() <= _KNOWN
            and body["audio_url"].startswith("https://cdn.example/")
            and body["speech_models"] == ["m"]
        )
        if not good:
            return answer(400, {"error": f"Invalid endpoint schema: {sorted(body)}"})
        self._heard, self._left = body, self.polls
        return answer(200, {"id": _NAME, "status": "queued"})

    def _polled(self) -> dict[str, Any]:
        self._left -= 1
        if self._left > 0:
            return {"id": _NAME, "status": "processing", "text": None}
        if self.says is not None:
            return {"id": _NAME, "status": "error", "error": self.says}
        speaker = {"speaker": "A"} if self._heard.get("speaker_labels") else {"speaker": None}
        words = [{"text": text, "start": at, "end": at + 250, **speaker} for text, at in _WORDS]
        text = " ".join(word for word, _ in _WORDS)
        found: dict[str, Any] = {"id": _NAME, "status": "completed", "text": text, "words": words}
        return {**found, "language_code": "en", "audio_duration": 3}
