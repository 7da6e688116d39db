"""Audio by how it begins: every container that is taken, and nothing that looks only a bit so."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniroute.wire.audio import CONTAINERS, HEAD_BYTES, container_of, most_seconds, seconds_of

FILES = Path(__file__).parents[1] / "data" / "audio"


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda one: one.name)
def test_every_container_is_known(container: object) -> None:
    (file,) = (one for one in FILES.iterdir() if one.suffix[1:] == getattr(container, "name", ""))
    assert container_of(file.read_bytes()[:HEAD_BYTES]) is container


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello",
        b"RIFF....AVI LIST",
        b"\x89PNG\r\n",
        b"\xff\xd8\xff\xe0",
        b"%PDF",
        b"\xff\xf1P\x80",
    ],
    ids=["empty", "text", "avi", "png", "jpeg", "pdf", "adts"],
)
def test_nothing_else_is(head: bytes) -> None:
    assert container_of(head) is None


def test_frames_without_a_tag_are_mp3() -> None:
    found = container_of(b"\xff\xfb\x90\x44" + bytes(60))
    assert found is not None
    assert found.name == "mp3"


def test_wav_and_flac_tell_how_long_they_are() -> None:
    told = {
        file.suffix: seconds_of(file.read_bytes()[:HEAD_BYTES], file.stat().st_size)
        for file in FILES.iterdir()
    }
    assert told[".flac"] == 0.25
    assert told[".wav"] == pytest.approx(0.25, abs=0.005)
    assert {told[ending] for ending in (".mp3", ".m4a", ".ogg", ".webm")} == {None}


@pytest.mark.parametrize(
    "head", [b"RIFF....WAVEJUNK", b"RIFF....WAVEfmt ", b"fLaC", b"fLaC" + bytes(40)]
)
def test_a_head_that_tells_nothing(head: bytes) -> None:
    assert seconds_of(head, 1000) is None


def test_a_size_bounds_a_length() -> None:
    assert most_seconds(8000) == 2
