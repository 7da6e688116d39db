"""Where a client belongs whose base URL is wrong, told from the paths that the tables serve."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from omniroute.errors import RequestError
from omniroute.translation.serving import choose
from omniroute.translation.values import Endpoint, Formats

MAX_PATH: Final = 512
"""Characters; no base URL that somebody means is longer."""
_VERSION: Final = re.compile(r"/v\d\w*(?=/)", re.ASCII)
_PLACE: Final[Mapping[str, str]] = {"{model}": ".+", "{provider}": "[^/]+", "{id}": "[^/]+"}
_HOST: Final = re.compile(r"[\w.\[\]:-]+", re.ASCII)


class Astray(Struct, frozen=True, kw_only=True):
    """`format` is whose client asks, `base` the path that its base URL should have, often none."""

    format: str
    title: str
    base: str


def astray(formats: Formats, method: str, path: str, headers: Mapping[str, str]) -> Astray | None:
    """Who is meant by a path that ends as one of theirs does; None when nobody can be told."""
    if len(path) > MAX_PATH:
        return None
    served = {about.name: (about.title, about.path) for about in formats.about()}
    bases = dict(_bases(formats, {name: chat for name, (_, chat) in served.items()}))
    found: dict[int, list[Endpoint]] = {}
    for endpoint in formats.endpoints:
        base = bases.get(endpoint.format)
        if endpoint.method != method or base is None or not endpoint.path.startswith(base + "/"):
            continue
        asked = endpoint.path[len(base) :]
        for tail in (endpoint.path, asked, _VERSION.sub("", asked, count=1)):
            if _ends_with(path, tail):
                found.setdefault(len(tail), []).append(endpoint)
                break
    if not found:
        return None
    format = choose(found[max(found)], headers).format
    return Astray(format=format, title=served[format][0], base=bases[format])


def is_doubled(formats: Formats, method: str, path: str) -> bool:
    """Whether the model in a path is such a path again, behind a base URL that was one."""
    if len(path) > MAX_PATH:
        return False
    return any(
        endpoint.method == method and _ends_with(path, endpoint.path, behind=".")
        for endpoint in formats.endpoints
        if endpoint.path.count("{model}")
    )


def unserved(told: RequestError, method: str, path: str) -> RequestError:
    """The refusal of a path that is nobody's, by its name: a client's log shows no more of it."""
    message = f"{method} {path[:MAX_PATH]} is not served here"
    return RequestError(told.kind, message, status=told.status, code=told.code)


def redirected(
    told: RequestError, lost: Astray, path: str, headers: Mapping[str, str]
) -> RequestError:
    """The refusal, with the base URL that would have been right."""
    host = headers.get("host", "")
    scheme = "https" if headers.get("x-forwarded-proto") == "https" else "http"
    url = f"{scheme}://{host if _HOST.fullmatch(host) else '<this host>'}{lost.base}"
    return RequestError(
        told.kind,
        f"{told.message}: {path}. The base URL for clients of {lost.title} is {url}",
        status=told.status,
        code=told.code,
        headers=told.headers,
    )


def _bases(formats: Formats, chats: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Per format what stands in front of its own paths here: the path of its clients' base URL."""
    seen: set[str] = set()
    for endpoint in formats.endpoints:
        name = endpoint.format
        if name not in seen and endpoint.path.endswith(chats[name]):
            seen.add(name)
            yield name, endpoint.path.removesuffix(chats[name])


def _ends_with(path: str, tail: str, *, behind: str = "") -> bool:
    """Whether a path ends as a served one; `behind` is a pattern of what comes before that."""
    words = re.split(r"(\{\w+\})", tail)
    pattern = "".join(_PLACE.get(word) or re.escape(word) for word in words)
    return re.search(rf"{behind}{pattern}$", path) is not None
