"""Durations, sizes, rates and money as the config writes them, to numbers and back."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

_DURATION: Final = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_DURATION_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"^(\d+)(B|KiB|MiB|GiB|KB|MB|GB)$")
_SIZE_BYTES: Final = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
}
_RATE: Final = re.compile(r"^(\d+)/(s|m|h|d)$")
NANO: Final = 1_000_000_000


def parse_duration(text: str) -> float:
    """`250ms 5s 10m 24h 30d` to seconds; ValueError when it is not one."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write 250ms, 5s, 10m, 24h or 30d")
    return float(match[1]) * _DURATION_S[match[2]]


def parse_size(text: str) -> int:
    """`512KiB 32MiB` to bytes; ValueError when it is not one."""
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write 512KiB or 32MiB")
    return int(match[1]) * _SIZE_BYTES[match[2]]


def parse_rate(text: str) -> tuple[int, float]:
    """`600/m` to (600, 60.0 seconds); ValueError when it is not one."""
    match = _RATE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write 10/s, 600/m, 1000/h or 2000000/d")
    return int(match[1]), _DURATION_S[match[2]]


def parse_share(text: str) -> float:
    """`80%` to 0.8; ValueError when it is not one."""
    number, percent, rest = text.partition("%")
    if not percent or rest:
        raise ValueError(f"{text!r} is not a share; write 80% or 99.5%")
    return float(number) / 100


def parse_usd(value: str | float) -> int:
    """US dollars to integer nano-dollars, exactly as written; ValueError when it is not money."""
    try:
        nano = Decimal(str(value)) * NANO
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount in US dollars") from None
    if not nano.is_finite() or nano < 0:
        raise ValueError(f"{value!r} is not an amount in US dollars")
    return int(nano.to_integral_value())
