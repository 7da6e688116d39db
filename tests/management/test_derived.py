"""Structs of the API that are made from the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from omniroute.config.model import Ref, name_in_file
from omniroute.errors import RequestError
from omniroute.management.derived import changes, in_file, masked_kind, show, shown


class Inner(Struct, frozen=True, kw_only=True, rename=name_in_file):
    wait_s: float = 1.0
    until_s: float | None = None
    count: int = 3


class Outer(Struct, frozen=True, kw_only=True, rename=name_in_file):
    inner: Inner = Inner()
    limit_nanousd: int = 2_500_000_000
    rate: tuple[int, float] | None = (5, 60.0)
    mode: Literal["a", "b"] = "a"
    secret: Ref | None = None
    others: Mapping[str, Ref] = {}
    steps: tuple[Inner, ...] = ()


class ShownInner(
    shown(Inner, names={"count": "howMany"}), frozen=True, kw_only=True, rename="camel"
):
    ever: bool

    @staticmethod
    def derive(value: Inner) -> dict[str, object]:
        return {"ever": value.until_s is None}


class ShownOuter(
    shown(
        Outer,
        names={"inner": "innerPart"},
        parts=(ShownInner,),
        without=("secret", "others", "steps"),
    ),
    frozen=True,
):
    pass


class ChangeOuter(changes(ShownOuter), frozen=True):
    pass


def test_a_value_is_shown_in_the_units_and_names_of_the_api() -> None:
    answer = show(ShownOuter, Outer(inner=Inner(wait_s=0.25)))
    assert msgspec.to_builtins(answer) == {
        "innerPart": {"waitMs": 250, "untilMs": None, "howMany": 3, "ever": True},
        "limitUsd": 2.5,
        "rate": {"amount": 5, "windowMs": 60_000},
        "mode": "a",
    }


def test_a_change_is_read_as_the_file_writes_it() -> None:
    part, rate = {"waitMs": 1500, "untilMs": 2000}, {"amount": 9, "windowMs": 3_600_000}
    body = {"innerPart": part, "mode": "b", "rate": rate}
    change = msgspec.convert(body, ChangeOuter)
    part = {"wait": "1500ms", "until": "2s"}
    assert in_file(change, whole=False) == {"inner": part, "mode": "b", "rate": "9/h"}
    whole = in_file(change, whole=True)
    assert whole["inner"] == {**part, "count": None}
    assert whole["limit"] is None
    assert "secret" not in whole


def test_a_window_that_a_file_cannot_say_is_refused() -> None:
    change = msgspec.convert({"rate": {"amount": 9, "windowMs": 90_000}}, ChangeOuter)
    with pytest.raises(RequestError, match="an hour or a day"):
        in_file(change, whole=False)


@pytest.mark.parametrize(
    "body",
    [{"innerPart": {"waitMs": -1}}, {"innerPart": {"wait": 1}}, {"mode": "c"}, {"limitUsd": True}],
)
def test_a_wrong_change_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, ChangeOuter)


def test_a_part_without_a_class_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="inner"):
        shown(Outer)


def test_a_masked_model_keeps_its_names() -> None:
    kind = masked_kind(Outer, without=("rate",))
    _, schemas = msgspec.json.schema_components([kind])
    fields = schemas["OuterConfig"]["properties"]
    assert set(fields) == set(Outer.__struct_fields__) - {"rate"}
    assert fields["secret"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert fields["others"]["additionalProperties"] == {"type": "string"}
    assert fields["steps"]["items"] == {"$ref": "#/$defs/InnerConfig"}
