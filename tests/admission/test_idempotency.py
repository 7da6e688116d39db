"""Names of repeats: kept apart by key, bounded, and strict about the body."""

from __future__ import annotations

from omniroute.admission.idempotency import (
    MAX_NAME_CHARS,
    StoredAnswer,
    body_hash,
    decode_answer,
    encode_answer,
    name_of,
    refuse_mismatch,
)
from tests.admission.cases import caller, key, refused


def test_the_name_belongs_to_the_key() -> None:
    headers = {"idempotency-key": "n", "x-request-id": "r"}
    assert name_of(caller(key("ci")), headers) == "ci|n"
    assert name_of(caller(key("other")), headers) == "other|n"
    assert name_of(caller(), {"x-request-id": "r"}) == "|r"
    assert name_of(caller(), {"idempotency-key": ""}) is None


def test_an_endless_name_is_refused() -> None:
    refusal = refused(name_of(caller(), {"idempotency-key": "x" * (MAX_NAME_CHARS + 1)}))
    assert refusal.error.status == 400


def test_the_body_and_the_path_count() -> None:
    hashes = {body_hash("/a", b"1"), body_hash("/a", b"2"), body_hash("/b", b"1")}
    assert len(hashes) == 3
    assert refuse_mismatch().error.status == 422


def test_an_answer_survives_the_store() -> None:
    answer = StoredAnswer(status=200, content_type="text/event-stream", body=b"data: 1\n\n")
    assert decode_answer(encode_answer(answer)) == answer
