"""Rules about providers: connections, credentials, TLS files, headers."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Final

from omniroute.config.diagnostics import Diagnostic, Path, error, warning
from omniroute.config.lint.facts import LintFacts
from omniroute.config.model import Ref
from omniroute.config.yamltree import Scalar

_TLS_FILES: Final = ("ca_file", "cert_file", "key_file")
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Set by the HTTP client; a second value would break framing or be ignored."""


def no_providers(facts: LintFacts) -> Iterator[Diagnostic]:
    if facts.complete and not facts.names("providers"):
        yield warning(
            "OR520",
            facts.key_mark(("providers",)),
            "no provider is declared: no model can be called",
            hint="providers: {echo: {preset: echo}} answers without network and keys",
        )


def no_connection_enabled(facts: LintFacts) -> Iterator[Diagnostic]:
    for provider in facts.config.providers.values():
        if not any(connection.enabled for connection in provider.connections.values()):
            path = ("providers", provider.id, "connections")
            yield warning(
                "OR521",
                facts.key_mark(path),
                f'all connections of "{provider.id}" are disabled',
                path=path,
                hint="enable one, or remove the provider",
            )


def no_credential(facts: LintFacts) -> Iterator[Diagnostic]:
    for provider in facts.config.providers.values():
        preset = facts.presets.get(provider.preset or "")
        if preset is None or not preset.needs_key:
            continue
        path: Path = ("providers", provider.id)
        inner = [(*path, "connections", name) for name in provider.connections]
        if any(facts.has((*at, name)) for at in (path, *inner) for name in ("headers", "api_key")):
            continue
        variable = preset.api_key_env or f"{provider.id.upper().replace('-', '_')}_API_KEY"
        yield warning(
            "OR522",
            facts.key_mark(path),
            f'"{provider.id}" needs a credential, and no connection has an `api_key`',
            path=path,
            hint=f'connections: {{main: {{api_key: "${{env:{variable}}}"}}}}',
        )


def missing_file(facts: LintFacts) -> Iterator[Diagnostic]:
    """Only files named by a relative path, so beside the configuration; others are the host's."""
    for provider in facts.config.providers.values():
        for field in _TLS_FILES:
            path = ("providers", provider.id, "tls", field)
            node = facts.node(path)
            file: str | None = getattr(provider.tls, field)
            if file is None or not isinstance(node, Scalar) or posixpath.isabs(str(node.value)):
                continue
            if not facts.exists(file):
                yield warning(
                    "OR523",
                    node.mark,
                    f"there is no file {node.value}",
                    path=path,
                    hint="relative paths start from the folder of the file that holds them",
                )


def half_a_client_certificate(facts: LintFacts) -> Iterator[Diagnostic]:
    for provider in facts.config.providers.values():
        tls = provider.tls
        if (tls.cert_file is None) != (tls.key_file is None):
            given = "cert_file" if tls.cert_file else "key_file"
            other = "key_file" if tls.cert_file else "cert_file"
            path = ("providers", provider.id, "tls", given)
            yield error(
                "OR524",
                facts.key_mark(path),
                f"`{given}` needs `{other}` beside it",
                path=path,
                hint=f"add `{other}: …`",
            )


def certificate_not_checked(facts: LintFacts) -> Iterator[Diagnostic]:
    for provider in facts.config.providers.values():
        if provider.tls.insecure_skip_verify:
            path = ("providers", provider.id, "tls", "insecure_skip_verify")
            yield warning(
                "OR525",
                facts.value_mark(path),
                "anybody between here and the provider can read the credential and the traffic",
                path=path,
                hint="trust the server's own authority with `ca_file`",
            )


def header_not_yours(facts: LintFacts) -> Iterator[Diagnostic]:
    for name, _value, path in header_entries(facts):
        if name.lower() in _OWN_HEADERS:
            yield error(
                "OR526",
                facts.key_mark(path),
                f"the header {name} is set by the HTTP client",
                path=path,
                hint="remove it",
            )


def header_value_breaks_line(facts: LintFacts) -> Iterator[Diagnostic]:
    for name, value, path in header_entries(facts):
        if any(ord(char) < 0x20 and char != "\t" for char in value.text):
            yield error(
                "OR527",
                facts.value_mark(path),
                f"the value of the header {name} holds a line end or control character",
                path=path,
                hint="write it on one line",
            )


def header_entries(facts: LintFacts) -> Iterator[tuple[str, Ref, Path]]:
    """Every header that the file sets: name, value, path."""
    for provider in facts.config.providers.values():
        path: Path = ("providers", provider.id)
        yield from _headers(facts, provider.headers, (*path, "headers"))
        for connection in provider.connections.values():
            inner = (*path, "connections", connection.id, "headers")
            yield from _headers(facts, connection.headers, inner)


def _headers(
    facts: LintFacts, headers: Mapping[str, Ref], path: Path
) -> Iterator[tuple[str, Ref, Path]]:
    for name, value in headers.items():
        if facts.has((*path, name)):
            yield name, value, (*path, name)
