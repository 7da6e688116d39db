"""Requests in parts (multipart/form-data): fields, and one file that goes to disk as it arrives.

What the rest of the gateway sees is a JSON object of the fields, in which `file` says what came,
and the file itself beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import multipart  # pyright: ignore[reportMissingTypeStubs] - typed, without the marker

from omniroute.base.bigjson import write_json
from omniroute.config.model import Server
from omniroute.errors import RequestError
from omniroute.http.edge.asked import Asked
from omniroute.http.edge.insides import BodyBound
from omniroute.http.edge.receive import no_room
from omniroute.request.upload import Upload
from omniroute.wire.audio import CONTAINERS, HEAD_BYTES, container_of, most_seconds, seconds_of

TYPE: Final = "multipart/form-data"
FILE: Final = "file"
MAX_PARTS: Final = 64
MAX_FIELD_BYTES: Final = 256 << 10
"""Of all fields together; a prompt is the longest."""
_MARGIN: Final = MAX_FIELD_BYTES + (64 << 10)
"""What a body has beside its file: the fields, and the heads of the parts."""
_TOO_LARGE: Final = "the request is larger than server.max_upload allows"


class UploadRoom:
    """What one worker keeps of its clients' files, in bytes on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.held = 0

    async def receive(self, asked: Asked, bounds: Server) -> bytes:
        """Read the body: its fields as JSON; `asked` has the file as its upload, to be given back
        by `leave`.

        Raises RequestError for what is no such body, has no file that is audio, or too much, when
        there is no room or no disk; and what reading raises.
        """
        boundary, http = _boundary_of(asked), asked.http
        largest = bounds.max_upload_bytes + _MARGIN
        held = max(bounds.max_uploads_bytes, largest)
        taken = min(http.request_bytes_left or largest, largest)
        if self.held + taken > held:
            raise no_room()
        self.held += taken
        upload: Upload | None = None
        try:
            upload = Upload(self._folder, room_bytes=taken)
            parts = Parts(boundary, upload, most_bytes=bounds.max_upload_bytes)
            await http.each_piece(BodyBound(largest, _TOO_LARGE, held), parts.feed)
            body = write_json(await parts.end())
        except BaseException:
            self.held -= taken
            if upload is not None:
                upload.close()
            raise
        asked.upload = upload
        return body

    def leave(self, upload: Upload) -> None:
        self.held -= upload.room_bytes
        upload.close()


class Parts:
    """One body, fed as it arrives; fields are collected, the file is written."""

    def __init__(self, boundary: str, upload: Upload, *, most_bytes: int) -> None:
        self._parser = multipart.PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        self._upload = upload
        self._most_bytes = most_bytes
        self._fields: dict[str, str | list[str]] = {}
        self._field_bytes = 0
        self._name: str | None = None
        """Of the field that is being read; None for the file."""
        self._text: list[bytes] = []
        self._has_file = False

    async def feed(self, piece: bytes) -> None:
        """Raises RequestError for what is not well formed, or too much."""
        if not piece:
            return
        try:
            for event in self._parser.parse(piece):
                if isinstance(event, multipart.MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end_field()
                elif self._name is None:
                    await self._write(bytes(event))
                else:
                    self._add(bytes(event))
        except multipart.MultipartError as error:
            raise _malformed(str(error)) from error

    async def end(self) -> dict[str, Any]:
        """The fields, with `file`. Raises RequestError for a body that ends too soon, and for a
        file that is missing, empty, or no audio."""
        try:
            self._parser.close()
        except multipart.MultipartError as error:
            raise _malformed(str(error)) from error
        if not self._has_file:
            raise RequestError("invalid_request", "file is required", param=FILE)
        upload = self._upload
        digest = await upload.end()
        if not upload.size_bytes:
            raise RequestError("invalid_request", "the file is empty", param=FILE)
        head, size = upload.head[:HEAD_BYTES], upload.size_bytes
        container = container_of(head)
        if container is None:
            known = ", ".join(one.name for one in CONTAINERS)
            message = f"the file is none of {known}, by how it begins"
            raise RequestError("invalid_request", message, param=FILE, code="unsupported_format")
        seconds = seconds_of(head, size)
        return {
            **self._fields,
            FILE: {
                "type": container.media_type,
                "ending": container.name,
                "bytes": size,
                "seconds": seconds,
                "most_seconds": most_seconds(size) if seconds is None else seconds,
                "sha256": digest,
            },
        }

    def _begin(self, segment: multipart.MultipartSegment) -> None:
        if segment.name == FILE:
            if self._has_file:
                raise RequestError("invalid_request", "there is more than one file", param=FILE)
            self._has_file, self._name = True, None
            return
        if segment.filename is not None:
            message = f"a file is sent as {FILE}, and as nothing else"
            raise RequestError("invalid_request", message, param=_shown(segment.name))
        self._name, self._text = segment.name, []

    def _end_field(self) -> None:
        name = self._name
        if name is None:
            return
        try:
            text = b"".join(self._text).decode()
        except UnicodeDecodeError:
            raise RequestError(
                "invalid_request", "a field is not UTF-8", param=_shown(name)
            ) from None
        before = self._fields.get(name)
        if before is None:
            # A name that ends so is one of a list, also where the list has one item alone.
            self._fields[name] = [text] if name.endswith("[]") else text
        elif isinstance(before, list):
            before.append(text)
        else:
            self._fields[name] = [before, text]

    def _add(self, piece: bytes) -> None:
        self._field_bytes += len(piece)
        if self._field_bytes > MAX_FIELD_BYTES:
            raise RequestError("too_large", "the fields are larger than 256 KiB", param=self._name)
        self._text.append(piece)

    async def _write(self, piece: bytes) -> None:
        if self._upload.size_bytes + len(piece) > self._most_bytes:
            message = "the file is larger than server.max_upload allows"
            raise RequestError("too_large", message, param=FILE)
        await self._upload.write(piece)


def _boundary_of(asked: Asked) -> str:
    """Raises RequestError (415) for a body that is not in parts, or coded."""
    said = cast(Any, multipart).parse_options_header(asked.headers.get("content-type", ""))
    kind, options = cast("tuple[str, dict[str, str]]", said)
    boundary = options.get("boundary", "")
    coding = asked.headers.get("content-encoding", "identity").strip().lower()
    if kind != TYPE or not boundary or coding not in ("", "identity"):
        raise RequestError(
            "invalid_request",
            f"this path takes {TYPE} with a file, as it is",
            status=415,
            headers={"Accept": TYPE},
        )
    return boundary


def _shown(name: str | None) -> str:
    """As much of a field's name as a client is told."""
    return (name or "")[:100]


def _malformed(why: str) -> RequestError:
    return RequestError("invalid_request", f"the body is no {TYPE}: {why}")
