"""Rewrite docs/reference/ (commands, configuration, diagnostics, usage tables) and docs/providers/.

    python scripts/render_reference.py

A test holds the pages against what this renders, so a new option or column cannot go undocumented.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import click
import duckdb

from omniroute.base.data import read_data
from omniroute.catalog.presets import load_presets
from omniroute.cli.main import cli
from omniroute.config.codes import load_codes
from omniroute.config.model import ModelKind, Quirks
from omniroute.config.preset import Preset
from omniroute.ledger.database import migrate

FOLDER = Path(__file__).parents[1] / "docs"
_NOTE = "<!-- Made by scripts/render_reference.py: change what it describes, then run it. -->"


Node = Mapping[str, Any]
"""One place in the schema."""


def render_commands() -> str:
    lines = ["# Commands", "", _NOTE, ""]
    lines += [
        "Exit codes are the same everywhere: 0 fine, 1 failed or findings, 2 used wrongly.",
        "Data goes to standard output, words for people to standard error.",
    ]
    for name, command in _commands(cli, "omniroute"):
        context = click.Context(command, info_name=name)
        usage = " ".join([name, *command.collect_usage_pieces(context)])
        lines += ["", f"## {name}", "", f"`{usage}`", "", *_help_text(command)]
        options = [_option_row(item, context) for item in command.params if _is_shown(item)]
        if options:
            lines += ["", *_table(("option", "meaning"), options)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield f"{prefix} {name}", command
            yield from _commands(command, f"{prefix} {name}")
        elif command is not None and not command.hidden:
            yield f"{prefix} {name}", command


def _help_text(command: click.Command) -> list[str]:
    # Click marks paragraphs that it must not wrap with a backspace character.
    return inspect.cleandoc((command.help or "").replace("\b", "")).splitlines()


def _is_shown(item: click.Parameter) -> bool:
    return isinstance(item, click.Option) and not item.hidden


def _option_row(item: click.Parameter, context: click.Context) -> tuple[str, str]:
    names, text = item.get_help_record(context) or ("", "")
    return f"`{names}`".replace(", ", "`, `"), " ".join(text.split())


def render_configuration() -> str:
    schema = json.loads(read_data("schemas", "omniroute.schema.json"))
    lines = ["# Configuration fields", "", _NOTE, ""]
    lines += [
        "Every field of `omniroute.yaml`. `<…>` stands for an id of your choice, `[]` for each",
        "item of a list. The same facts for editors: `schemas/omniroute.schema.json`.",
    ]
    for name, node in schema["properties"].items():
        resolved = _resolve(node, schema)
        lines += ["", f"## {name}", "", str(resolved.get("description", ""))]
        rows = [_field_row(path, field) for path, field in _fields(name, resolved, schema)]
        lines += ["", *_table(("field", "type", "default", "meaning", "example"), rows)]
    return "\n".join(lines) + "\n"


def _resolve(node: Node, schema: Node) -> Node:
    """The node with what it refers to; its own words win."""
    if "$ref" not in node:
        return node
    name = node["$ref"].rsplit("/", 1)[1]
    target = _resolve(schema["$defs"][name], schema)
    if target.get("type") == "string":
        target = {**target, "type": name.replace("_", " ")}  # says more: duration, size, url
    return {**target, **{key: node[key] for key in node if key != "$ref"}}


def _fields(path: str, node: Node, schema: Node) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _fields(f"{path}.{name}", _resolve(child, schema), schema)
    for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        resolved = _resolve(choice, schema)
        if resolved.get("properties"):
            inner = _fields(path, resolved, schema)
            next(inner)  # the node itself has its row
            yield from inner
    for key, step in (("additionalProperties", f".<{_kind_of_id(path)}>"), ("items", "[]")):
        child = node.get(key)
        resolved: Node = _resolve(cast("Node", child), schema) if isinstance(child, dict) else {}
        if resolved.get("properties"):
            yield from _fields(f"{path}{step}", resolved, schema)


def _kind_of_id(path: str) -> str:
    return path.rsplit(".", 1)[-1].removesuffix("s").replace("policie", "policy")


def _field_row(path: str, field: Node) -> tuple[str, ...]:
    kinds: str | list[str] = field.get("type", "")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if "enum" in field:
        kind = " ".join(f"`{_text(value)}`" for value in field["enum"])
    title = str(field.get("title", ""))
    words = " ".join(str(field.get("description") or title).split())
    default = f"`{_text(field['default'])}`" if "default" in field else field.get("x-default", "")
    example = f"`{_text(field['examples'][0])}`" if field.get("examples") else ""
    return f"`{path}`", kind, default, words, example


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def render_diagnostics() -> str:
    lines = ["# Diagnostic codes", "", _NOTE, ""]
    lines += [
        "What `omniroute check` can find. A code keeps its meaning for ever; `omniroute explain`",
        "with a code shows the same in the terminal.",
    ]
    for code in load_codes().values():
        lines += ["", f"## {code.id} {code.name}", "", f"{code.severity}: {code.title}.", ""]
        lines += [code.meaning, "", "Wrong:", "", "```yaml", code.wrong.rstrip(), "```", ""]
        lines += ["Right:", "", "```yaml", code.right.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def render_columns() -> str:
    lines = ["# Usage tables", "", _NOTE, ""]
    lines += [
        "What `omniroute sql` and any other DuckDB client find in `usage.duckdb`. These views are",
        "public; what lies beneath them may change.",
    ]
    with duckdb.connect(":memory:") as connection:
        migrate(connection)
        views = connection.execute(
            "SELECT view_name, comment FROM duckdb_views() "
            "WHERE schema_name = 'main' AND NOT internal ORDER BY view_oid"
        ).fetchall()
        for view, comment in views:
            columns = connection.execute(
                "SELECT column_name, data_type, comment FROM duckdb_columns() "
                "WHERE schema_name = 'main' AND table_name = ? ORDER BY column_index",
                [view],
            ).fetchall()
            lines += ["", f"## {view}", "", comment or "", ""]
            rows = [(f"`{name}`", kind, words or "") for name, kind, words in columns]
            lines += _table(("column", "type", "meaning"), rows)
    return "\n".join(lines) + "\n"


def render_providers() -> str:
    presets = load_presets().values()
    kinds = get_args(ModelKind)
    lines = ["# Providers", "", _NOTE, ""]
    lines += [
        "The presets that ship. `omniroute providers show mistral` tells the models of one with",
        "their prices, and the lines to paste;",
        "[a preset of your own](../connect-a-provider.md#a-preset-of-your-own) is one file. The",
        "numbers are models that are listed; any other is passed on by its name.",
        "",
    ]
    heads = ("preset", "provider", "format", "base URL", "key", *kinds, "sources")
    lines += _table(heads, [_preset_row(preset, kinds) for preset in presets])
    lines += ["", "## What they want otherwise", ""]
    lines += [
        "Beside their format's own ways, in translated requests and in those of the same format.",
        "`omit`, `rename` and `quirks` of a provider add to it.",
        "",
    ]
    wants = [(preset.id, row) for preset in presets if any(row := _wants(preset))]
    heads = ("preset", "never sent", "by another name", "ids of calls", "earlier thoughts", "top_k")
    lines += _table(heads, [(f"`{name}`", *row) for name, row in wants])
    return "\n".join(lines) + "\n"


def _preset_row(preset: Preset, kinds: Sequence[str]) -> tuple[str, ...]:
    counts = Counter[str](model.kind for model in preset.models.values())
    sources = [f"[{number}]({url})" for number, url in enumerate(preset.sources, 1)]
    return (
        f"`{preset.id}`",
        f"[{preset.title}]({preset.docs})",
        f"`{preset.format}`",
        f"`{preset.base_url or preset.own_url}`",
        f"`{preset.api_key_env}`" if preset.api_key_env else "none",
        *(str(counts[kind] or "") for kind in kinds),
        " ".join(sources),
    )


def _wants(preset: Preset) -> tuple[str, ...]:
    quirks = preset.quirks or Quirks()
    return (
        ", ".join(f"`{name}`" for name in preset.omit),
        ", ".join(f"`{ours}` as `{theirs}`" for ours, theirs in preset.rename.items()),
        f"`{quirks.call_ids}`" if quirks.call_ids else "",
        {None: "", "none": "refused"}.get(quirks.thoughts, f"`{quirks.thoughts}`"),
        "taken" if quirks.top_k else "",
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [heads, ["---"] * len(heads), *escaped]
    return ["| " + " | ".join(line) + " |" for line in lines]


PAGES: Mapping[str, Callable[[], str]] = {
    "providers/index.md": render_providers,
    "reference/commands.md": render_commands,
    "reference/configuration.md": render_configuration,
    "reference/diagnostics.md": render_diagnostics,
    "reference/usage.md": render_columns,
}


def main() -> None:
    for name, render in PAGES.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
