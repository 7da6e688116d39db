"""Where all formats of a snapshot are served: who is meant at a path, and whose errors it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from omniroute.translation.values import Endpoint


def choose(endpoints: Sequence[Endpoint], headers: Mapping[str, str]) -> Endpoint:
    """Of several formats at one path, the one whose clients send these headers.

    A format that is told by no header is for all others; without one the first is.
    """
    if len(endpoints) == 1:
        return endpoints[0]
    plain: Endpoint | None = None
    for endpoint in endpoints:
        if endpoint.told_by is None:
            plain = endpoint
        elif endpoint.told_by in headers:
            return endpoint
    return plain or endpoints[0]


def together(endpoints: Iterable[Endpoint]) -> dict[tuple[str, str], list[Endpoint]]:
    """Endpoints by method and path, in order."""
    groups: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault((endpoint.method, endpoint.path), []).append(endpoint)
    return groups


def collisions(endpoints: Iterable[Endpoint]) -> list[tuple[Endpoint, Endpoint]]:
    """Endpoints that no header tells from an earlier one at the same path."""
    found: list[tuple[Endpoint, Endpoint]] = []
    for group in together(endpoints).values():
        seen: dict[str | None, Endpoint] = {}
        for endpoint in group:
            earlier = seen.setdefault(endpoint.told_by, endpoint)
            if earlier is not endpoint:
                found.append((endpoint, earlier))
    return found


class Envelopes:
    """Whose errors are told at a path: the longest known part of a path wins."""

    def __init__(self, paths: Iterable[tuple[str, Endpoint]]) -> None:
        rows: dict[tuple[str, str], list[Endpoint]] = {}
        for path, endpoint in paths:
            rows.setdefault(_ends(path), []).append(endpoint)
        self._rows = sorted(rows.items(), key=lambda row: -len("".join(row[0])))

    def find(self, path: str, headers: Mapping[str, str]) -> str | None:
        """The format's name; None where no format has anything."""
        for (prefix, suffix), endpoints in self._rows:
            if path.startswith(prefix) and path.endswith(suffix):
                return choose(endpoints, headers).format
        return None


def _ends(path: str) -> tuple[str, str]:
    """What stands before and after what varies in a path."""
    before, _, rest = path.partition("{")
    return before, rest.rpartition("}")[2]
