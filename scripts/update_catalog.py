"""Rebuild omniroute/catalog/{prices,models}.json from the packages that collect such facts.

    pip install -U genai-prices && pip download --no-deps litellm
    python scripts/update_catalog.py litellm-*.whl

Prices come from genai-prices, what a model can do from litellm's list, both MIT (see
omniroute/catalog/NOTICE.txt). Only numbers, names and flags are taken. The product reads the two
files and needs neither package: a price changes by a commit that people can review.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import data, types

CATALOG = Path(__file__).parents[1] / "omniroute" / "catalog"
LITELLM_LIST = "litellm/model_prices_and_context_window_backup.json"
NANO = 1_000_000_000

# Their unit per million tokens -> ours. Others (audio, images, searches) are not told apart by the
# usage that providers report to us, so a model that has only those has no price.
UNITS = {
    "input_mtok": "input_nanousd",
    "output_mtok": "output_nanousd",
    "cache_read_mtok": "cached_input_nanousd",
    "cache_write_mtok": "cache_write_nanousd",
}
# Our name for a provider (genai-prices' where it has one) -> litellm's.
PROVIDERS = {
    "anthropic": ("anthropic",),
    "cerebras": ("cerebras",),
    "cohere": ("cohere", "cohere_chat"),
    "dashscope": ("dashscope",),
    "deepinfra": ("deepinfra",),
    "deepseek": ("deepseek",),
    "fireworks": ("fireworks_ai",),
    "google": ("gemini",),
    "groq": ("groq",),
    "minimax": ("minimax",),
    "mistral": ("mistral",),
    "moonshotai": ("moonshot",),
    "nebius": ("nebius",),
    "novita": ("novita",),
    "openai": ("openai",),
    "openrouter": ("openrouter",),
    "perplexity": ("perplexity",),
    "sambanova": ("sambanova",),
    "together": ("together_ai",),
    "x-ai": ("xai",),
    "zai": ("zai",),
}
KINDS = {
    "chat": "chat",
    "responses": "chat",
    "embedding": "embedding",
    "image_generation": "image",
    "audio_transcription": "transcription",
}
CAPABILITIES = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
}

OTHER_KINDS = re.compile(r"embed|whisper|tts|image|transcri|audio|live|realtime|ocr", re.IGNORECASE)


def prices() -> dict[str, Any]:
    return {
        "source": f"genai-prices {version('genai-prices')}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "providers": {
            provider.id: {
                "url": provider.api_pattern,
                "models": [
                    {"match": clause(model.match), "prices": rows}
                    for model in provider.models
                    if (rows := conditions(model.prices))
                ],
            }
            for provider in data.providers
        },
    }


def clause(match: Any) -> dict[str, Any]:
    match match:
        case types.ClauseEquals(text):
            return {"equals": text}
        case types.ClauseStartsWith(text):
            return {"starts_with": text}
        case types.ClauseEndsWith(text):
            return {"ends_with": text}
        case types.ClauseContains(text):
            return {"contains": text}
        case types.ClauseRegex(text):
            return {"regex": text}
        case types.ClauseOr(parts):
            return {"any": [clause(part) for part in parts]}
        case types.ClauseAnd(parts):
            return {"all": [clause(part) for part in parts]}
        case _:
            raise TypeError(f"a kind of match that the catalog does not know: {match!r}")


def conditions(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, types.ModelPrice):
        return [row] if (row := rates(found)) else []
    rows: list[dict[str, Any]] = []
    for entry in found:
        row = rates(entry.prices)
        match entry.constraint:
            case None:
                pass
            case types.StartDateConstraint(start):
                row["since"] = start.isoformat()
            case types.TimeOfDateConstraint(start, end):
                row["daily"] = [utc_minute(start), utc_minute(end)]
            case _:
                raise TypeError(f"a kind of condition that the catalog does not know: {entry!r}")
        rows.append(row)
    return rows if any(row.keys() - {"since", "daily"} for row in rows) else []


def utc_minute(time: dt.time) -> int:
    if time.tzinfo not in (None, dt.UTC):
        raise ValueError(f"a time of day that is not UTC: {time!r}")
    return time.hour * 60 + time.minute


def rates(price: Any) -> dict[str, Any]:
    found = {unit: value for unit in UNITS if (value := getattr(price, unit, None)) is not None}
    row: dict[str, Any] = {UNITS[unit]: nano(base(value)) for unit, value in found.items()}
    starts = {tier.start for value in found.values() for tier in getattr(value, "tiers", ())}
    if starts:
        row["tiers"] = [
            {"above": start}
            | {UNITS[unit]: nano(at(value, start)) for unit, value in found.items()}
            for start in sorted(starts)
        ]
    fee = getattr(price, "requests_kcount", None)
    if row and fee:
        row["request_nanousd"] = nano(base(fee) / 1000)
    return row


def base(value: Any) -> Decimal:
    return value.base if isinstance(value, types.TieredPrices) else value


def at(value: Any, start: int) -> Decimal:
    if not isinstance(value, types.TieredPrices):
        return value
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return reached[-1] if reached else value.base


def nano(usd: Decimal) -> int:
    """Per million tokens; rounded, for some prices were computed in floats at their source."""
    return round(usd * NANO)


def models(wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        entries = json.loads(archive.read(LITELLM_LIST))
    ours = {theirs: name for name, all_theirs in PROVIDERS.items() for theirs in all_theirs}
    windows = {
        (provider.id, model.id): model.context_window
        for provider in data.providers
        for model in provider.models
        if model.context_window
    }
    found: dict[str, dict[str, Any]] = {name: {} for name in PROVIDERS}
    for id_, entry in entries.items():
        theirs = entry.get("litellm_provider")
        kind = KINDS.get(entry.get("mode"))
        if theirs not in ours or kind is None:
            continue
        name = ours[theirs]
        model = id_.removeprefix(f"{theirs}/")
        if model.startswith(("low/", "medium/", "high/", "standard/", "ft:", "preset/")):
            continue  # a price class, not a model
        found[name].setdefault(model, facts(kind, entry, windows.get((name, model))))
    for (name, model), window in windows.items():
        if name in found and not OTHER_KINDS.search(model):
            found[name].setdefault(model, {"context_window": window})
    return {
        "source": f"litellm {wheel.name.split('-')[1]}, genai-prices {version('genai-prices')}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "providers": {name: dict(sorted(rows.items())) for name, rows in found.items()},
    }


def facts(kind: str, entry: dict[str, Any], window: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {} if kind == "chat" else {"kind": kind}
    if window := window or whole(entry.get("max_input_tokens")):
        row["context_window"] = window
    if kind == "chat":
        if limit := whole(entry.get("max_output_tokens")):
            row["max_output_tokens"] = limit
        if any(key.startswith("supports_") for key in entry):
            row["capabilities"] = [
                name for flag, name in CAPABILITIES.items() if entry.get(flag) is True
            ]
    return row


def whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None


def write(name: str, content: dict[str, Any]) -> None:
    """One model per line, so that a diff shows which changed."""
    rows: Iterable[str]
    providers = content.pop("providers")
    lines = [json.dumps(content, indent=1)[:-2] + ',\n "providers": {']
    for index, (provider, found) in enumerate(providers.items()):
        if "models" in found:
            url, rows = json.dumps(found["url"]), map(compact, found["models"])
            head, tail = f'  {compact(provider)}: {{"url": {url}, "models": [', "  ]}"
        else:
            rows = (f"{compact(id_)}: {compact(row)}" for id_, row in found.items())
            head, tail = f"  {compact(provider)}: {{", "  }"
        lines += [head, ",\n".join(f"   {row}" for row in rows)]
        lines += [tail + ("," if index < len(providers) - 1 else "")]
    lines += [" }", "}", ""]
    text = "\n".join(lines)
    json.loads(text)
    (CATALOG / name).write_text(text, encoding="utf-8")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="litellm's wheel, as pip download leaves it")
    write("models.json", models(parser.parse_args().wheel))
    write("prices.json", prices())
