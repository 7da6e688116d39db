"""A snapshot: everything compiled out of one state of the files, immutable, with a digest.

Compiling resolves secrets and is the last step that can fail; a request holds the snapshot that it
began with, so nothing here is ever changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from omniroute.active.passwords import Passwords, compile_passwords
from omniroute.admission.gate import AdmissionPlan, compile_admission
from omniroute.base.secret import Redactor, Secret
from omniroute.config.diagnostics import Diagnostic, warning
from omniroute.config.model import Budget, Config, Connection, Mark, Provider, Ref
from omniroute.config.refs import MissingSecretError, resolve
from omniroute.routing.index import ModelIndex, compile_index
from omniroute.translation.values import Formats
from omniroute.upstream.options import ECHO_SCHEME, TransportOptions, transport_options
from omniroute.upstream.outlet import Outlet
from omniroute.upstream.proxy import DIRECT, choose_proxy

DIGEST_CHARS: Final = 12
PROXY_VARIABLES: Final = tuple(
    spelled
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for spelled in (name, name.lower())
)


class Hook(Struct, frozen=True, kw_only=True):
    """Where to send a budget's warnings; the URL may hold a token."""

    url: Secret
    transport: TransportOptions


class Snapshot(Struct, frozen=True, kw_only=True):
    config: Config
    digest: str
    formats: Formats
    admission: AdmissionPlan
    passwords: Passwords
    index: ModelIndex
    outlets: Mapping[str, Outlet]
    hooks: Mapping[str, Hook]
    """By budget."""
    warnings: tuple[Diagnostic, ...]
    redact: Redactor
    """Takes every resolved secret out of what others say."""
    commit: str | None = None
    """Of git, that the files were at."""

    @property
    def transports(self) -> frozenset[TransportOptions]:
        """What its providers and webhooks are asked through."""
        users = (*self.outlets.values(), *self.hooks.values())
        return frozenset(user.transport for user in users)


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a snapshot takes from the machine, handed in so that compiling stays a function."""

    env: Callable[[str], str | None]
    read_file: Callable[[str], bytes]
    commit: str | None = None
    """Of git, that the files are at."""


class _Secrets:
    """Resolves references and remembers what they were."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.seen: list[Secret] = []

    def reveal(self, ref: Ref) -> str:
        """Raises MissingSecretError."""
        found = resolve(ref, env=self._around.env, read_file=self._around.read_file)
        self.seen += (found.text, *found.values)
        return found.text.reveal()

    def optional(self, ref: Ref | None) -> Secret | None:
        """Raises MissingSecretError."""
        return None if ref is None else Secret(self.reveal(ref))

    def proxies(self) -> dict[str, str]:
        """The environment's proxy variables."""
        found = {name: self._around.env(name) for name in PROXY_VARIABLES}
        known = {name: value for name, value in found.items() if value}
        self.seen += (Secret(value) for name, value in known.items() if name.lower() != "no_proxy")
        return known


def compile_snapshot(
    config: Config, formats: Formats, *, digest: str, around: Surroundings
) -> Snapshot:
    """The snapshot of a checked configuration.

    A connection whose secret is missing is left out with a warning; the rest works. Raises
    ConfigError for what `check` reports as an error.
    """
    secrets = _Secrets(around)
    outlets: dict[str, Outlet] = {}
    unavailable: dict[str, str] = {}
    warnings: list[Diagnostic] = []
    for provider in config.providers.values():
        for connection in provider.connections.values():
            key = f"{provider.id}/{connection.id}"
            try:
                outlets[key] = _outlet(config, provider, connection, formats, secrets)
            except MissingSecretError as missing:
                unavailable[key] = "its secret is missing"  # clients read this: no names, no paths
                warnings.append(_disabled(config, provider, connection, str(missing)))
    hooks: dict[str, Hook] = {}
    for budget in config.budgets.values():
        try:
            hook = _hook(config, budget, secrets)
        except MissingSecretError as missing:
            warnings.append(_without_hook(config, budget, str(missing)))
        else:
            if hook is not None:
                hooks[budget.id] = hook
    passwords = compile_passwords(config, secrets.reveal, warnings)
    return Snapshot(
        config=config,
        digest=digest,
        formats=formats,
        admission=compile_admission(config),
        passwords=passwords,
        index=compile_index(config, unavailable),
        outlets=outlets,
        hooks=hooks,
        warnings=tuple(warnings),
        redact=Redactor(one for one in secrets.seen if one.reveal() != DIRECT),
        commit=around.commit,
    )


def digest_of(content: str, tables: Mapping[str, str]) -> str:
    """Names what was declared, not where: moving lines or adding comments changes nothing.

    `content` is the digest of the merged configuration, `tables` the translation tables' texts.
    """
    seen = hashlib.sha256(content.encode())
    for name in sorted(tables):
        seen.update(f"\0{tables[name]}".encode())
    return seen.hexdigest()[:DIGEST_CHARS]


def _disabled(config: Config, provider: Provider, connection: Connection, why: str) -> Diagnostic:
    path = ("providers", provider.id, "connections", connection.id)
    mark = config.positions.get(path) or config.positions.get(path[:2]) or Mark("", 1, 1)
    return warning(
        "OR901",
        mark,
        f'connection "{provider.id}/{connection.id}" is disabled: {why}',
        path=path,
        hint="set the variable or create the file, then reload (SIGHUP)",
    )


def _without_hook(config: Config, budget: Budget, why: str) -> Diagnostic:
    path = ("budgets", budget.id, "webhook")
    return warning(
        "OR902",
        config.positions.get(path) or Mark("", 1, 1),
        f'the webhook of budget "{budget.id}" is disabled: {why}',
        path=path,
        hint="set the variable or create the file, then reload (SIGHUP)",
    )


def _hook(config: Config, budget: Budget, secrets: _Secrets) -> Hook | None:
    """Raises MissingSecretError."""
    if budget.webhook is None:
        return None
    url = secrets.reveal(budget.webhook.url)
    return Hook(
        url=Secret(url),
        transport=TransportOptions(
            proxy=choose_proxy(
                url,
                connection=None,
                provider=None,
                settings=secrets.optional(config.settings.proxy),
                environment=secrets.proxies(),
            ),
            allow_private_network=budget.webhook.allow_private_network,
        ),
    )


def key_headers(provider: Provider, formats: Formats, key: str) -> tuple[tuple[str, str], ...]:
    """How a provider takes its credential: as its entry or its preset says, else its format."""
    if provider.auth is None or not key:
        return formats.auth_headers(provider.format, key)
    return ((provider.auth.header, provider.auth.template.replace("{key}", key)),)


def _outlet(
    config: Config,
    provider: Provider,
    connection: Connection,
    formats: Formats,
    secrets: _Secrets,
) -> Outlet:
    headers: dict[str, tuple[str, str]] = {}
    if connection.api_key is not None:
        for name, value in key_headers(provider, formats, secrets.reveal(connection.api_key)):
            headers[name.lower()] = (name, value)
    for declared in (provider.headers, connection.headers):
        for name, ref in declared.items():
            headers[name.lower()] = (name, secrets.reveal(ref))
    base_url = (connection.base_url or provider.base_url).rstrip("/")
    proxy = None
    if not base_url.startswith(ECHO_SCHEME):
        proxy = choose_proxy(
            base_url,
            connection=secrets.optional(connection.proxy),
            provider=secrets.optional(provider.proxy),
            settings=secrets.optional(config.settings.proxy),
            environment=secrets.proxies(),
        )
    return Outlet(
        key=f"{provider.id}/{connection.id}",
        format=provider.format,
        base_url=base_url,
        headers=tuple(headers.values()),
        transport=transport_options(
            provider,
            base_url=base_url,
            proxy=proxy,
        ),
        connect_s=provider.timeout.connect_s,
        first_byte_s=provider.timeout.first_byte_s,
        idle_s=provider.timeout.idle_s,
        query=tuple(provider.query.items()),
        per_model="{model}" in base_url,
    )
