"""What is asked of models that do not chat: a section of a table for each kind of them.

Such a request is answered once, by one model: there is no conversation in it, and nothing goes on
from its answer. What makes one kind differ from another stands here and in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from omniroute.config.model import ModelKind


class TaskKind(Struct, frozen=True, kw_only=True):
    """The hub of one kind, as far as the engine looks into it."""

    needs: str
    """The member of a request without which there is nothing to do."""
    nothing: str
    """What is said of such a request."""
    gives: str
    """The member of an answer without which it is none."""
    lists: bool = True
    """What is given is a list, which several answers make together."""


TASKS: Final[Mapping[ModelKind, TaskKind]] = {
    "embedding": TaskKind(
        needs="inputs", nothing="the request holds nothing to embed", gives="vectors"
    ),
    "image": TaskKind(needs="prompt", nothing="the request says nothing to draw", gives="images"),
    "rerank": TaskKind(
        needs="documents", nothing="the request holds no documents", gives="results"
    ),
    "moderation": TaskKind(
        needs="inputs", nothing="the request holds nothing to judge", gives="results"
    ),
    "speech": TaskKind(needs="text", nothing="the request says nothing to speak", gives="audio"),
    "transcription": TaskKind(
        needs="file", nothing="the request has no file", gives="text", lists=False
    ),
}

SENT_AS_FILES: Final[frozenset[ModelKind]] = frozenset({"transcription"})
"""Kinds whose requests come with a file, in parts (multipart/form-data)."""
