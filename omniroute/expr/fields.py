"""Which inputs an expression names: for lint, did-you-mean and `explain`."""

from __future__ import annotations

from typing import Any

from omniroute.expr.compile import Node, parse_expression


def named_fields(text: str) -> tuple[str, ...]:
    """Dotted paths that the expression reads from its input, in order, each once.

    A path ends where the expression leaves plain fields: `a.b[0].c` names `a.b`.
    """
    return tuple(dict.fromkeys(".".join(path) for path in read_paths(parse_expression(text))))


def read_paths(tree: Node) -> list[tuple[str, ...]]:
    """The same of a parsed tree, as tuples; `()` stands for the whole input."""
    found: list[tuple[str, ...]] = []
    _walk(tree, (), found)
    return [path for path in found if path]


def _walk(
    node: Node, at: tuple[str, ...] | None, found: list[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """Add what `node` reads; its result's own path, or None when that is not a plain path."""
    kind: str = node["type"]
    children: list[Any] = node["children"]
    match kind:
        case "field":
            path = None if at is None else (*at, node["value"])
            if path is not None:
                if at in found:
                    found.remove(at)
                found.append(path)
            return path
        case "current" | "identity":
            return at
        case "literal" | "slice":
            return None
        case "subexpression" | "pipe" | "index_expression":
            for child in children:
                at = _walk(child, at, found)
            return at
        case "index":
            return None
        case "projection" | "value_projection" | "filter_projection":
            _walk(children[0], at, found)
            for child in children[1:]:
                _walk(child, None, found)
            return None
        case "expref":
            _walk(children[0], None, found)
            return None
        case _:
            for child in children:
                _walk(child, at, found)
            return None
