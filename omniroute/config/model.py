"""The checked configuration as frozen values: units parsed, defaults applied, secrets by reference.

Built only by `omniroute.config.build`; nobody else reads YAML. Durations are seconds, sizes bytes,
money integer nano-dollars (1 USD = 10^9). A `Ref` is text that may hold `${env:…}`/`${file:…}`
references; it becomes a `Secret` when a snapshot is activated, never earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

Role = Literal["inference", "viewer", "admin"]
ModelKind = Literal["chat", "embedding", "image", "transcription"]
Balance = Literal[
    "priority",
    "weighted",
    "fill-first",
    "round-robin",
    "p2c",
    "random",
    "least-used",
    "cost-optimized",
]
StrategyName = Literal[
    "priority",
    "weighted",
    "round-robin",
    "random",
    "strict-random",
    "least-used",
    "cost-optimized",
    "auto",
    "fill-first",
    "p2c",
    "lkgp",
    "context-optimized",
    "context-relay",
]


class Mark(Struct, frozen=True):
    """Where something stands: 1-based line and column in `file` as the user named it."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Ref(Struct, frozen=True):
    """Text that may hold secret references; equal by text, so a diff never needs the value."""

    text: str
    base_dir: str = "."
    """Folder that relative `${file:…}` paths start from."""


class Server(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 20128
    workers: int | Literal["auto"] = 1
    data_dir: str = ".omniroute"
    """Absolute, resolved against the declaring file."""
    max_body_bytes: int = 32 << 20
    request_timeout_s: float = 600.0
    shutdown_grace_s: float = 30.0
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()


class Auth(Struct, frozen=True, kw_only=True):
    require_api_key: bool = False
    require_login: bool = True
    password_hash: Ref | None = None
    session_ttl_s: float = 43200.0


class KeyRateLimit(Struct, frozen=True, kw_only=True):
    """(amount, window in seconds) or None for no limit."""

    requests: tuple[int, float] | None = None
    tokens: tuple[int, float] | None = None
    concurrent: int = 0


class Key(Struct, frozen=True, kw_only=True):
    id: str
    hashes: tuple[str, ...]
    """Lower-case hex SHA-256 digests; two while a key is rotated."""
    tags: Mapping[str, str] = {}
    models: tuple[str, ...] = ()
    """Globs over model ids, aliases and combos; empty means all."""
    expires: datetime | None = None
    """UTC instant at which the key stops working."""
    rate_limit: KeyRateLimit = KeyRateLimit()
    roles: tuple[Role, ...] = ("inference",)
    disabled: bool = False


class Timeouts(Struct, frozen=True, kw_only=True):
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0


class Tls(Struct, frozen=True, kw_only=True):
    """`insecure_skip_verify` is a check warning; files are absolute paths."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure_skip_verify: bool = False


class Price(Struct, frozen=True, kw_only=True):
    """Nano-dollars per million tokens; None where unknown, never 0 in its place."""

    input_nanousd: int | None = None
    output_nanousd: int | None = None
    cached_input_nanousd: int | None = None
    cache_write_nanousd: int | None = None


class Model(Struct, frozen=True, kw_only=True):
    """A provider's model as declared in the file or in a preset."""

    id: str
    kind: ModelKind = "chat"
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    """None means unknown: nothing is assumed missing."""
    price: Price | None = None
    upstream_id: str | None = None
    """The name that the provider knows, where it differs from `id`."""


class Queue(Struct, frozen=True, kw_only=True):
    """Per connection; 0 turns a bound off."""

    max_wait_s: float = 10.0
    max_concurrent: int = 0
    requests_per_minute: int = 0
    min_gap_s: float = 0.0


class Retry(Struct, frozen=True, kw_only=True):
    attempts: int = 2
    """Attempts per connection for failures that may pass by themselves; 0 turns retries off."""
    base_s: float = 0.2
    max_interval_s: float = 30.0
    honor_retry_after: bool = True


class Breaker(Struct, frozen=True, kw_only=True):
    failures: int = 5
    window_s: float = 30.0
    open_s: float = 30.0
    half_open_probes: int = 1


class Cooldown(Struct, frozen=True, kw_only=True):
    """`rate_limited_s` None means: as long as the provider's headers say."""

    rate_limited_s: float | None = None
    error_s: float = 5.0
    auth_s: float = 3600.0


class Resilience(Struct, frozen=True, kw_only=True):
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    cooldown: Cooldown = Cooldown()
    queue: Queue = Queue()


class Connection(Struct, frozen=True, kw_only=True):
    """One credential at a provider, with its own health and limits."""

    id: str
    api_key: Ref | None = None
    priority: int = 1
    weight: int = 1
    enabled: bool = True
    base_url: str | None = None
    headers: Mapping[str, Ref] = {}
    proxy: Ref | None = None


class Provider(Struct, frozen=True, kw_only=True):
    """A vendor or server, its preset already merged in."""

    id: str
    format: str
    """Name of a translation table."""
    base_url: str
    preset: str | None = None
    connections: Mapping[str, Connection] = {}
    """Never empty: without a declaration there is one named `default` with no credential."""
    balance: Balance = "priority"
    allow_private_network: bool = False
    headers: Mapping[str, Ref] = {}
    timeout: Timeouts = Timeouts()
    tls: Tls = Tls()
    proxy: Ref | None = None
    client: Literal["fast", "httpx"] = "fast"
    models: Mapping[str, Model] = {}
    """Declared models win over the preset's; a model that is in neither may still be called as
    `provider/model` unless `strict_models`."""
    strict_models: bool = False
    resilience: Resilience | None = None


class Target(Struct, frozen=True, kw_only=True):
    """A model id, alias or combo that a combo points at."""

    model: str
    weight: int = 1
    when: str | None = None


class Sticky(Struct, frozen=True, kw_only=True):
    by: Literal["session", "key"] = "session"
    ttl_s: float = 1800.0


class Combo(Struct, frozen=True, kw_only=True):
    """A model name that stands for several targets."""

    id: str
    strategy: StrategyName = "priority"
    targets: tuple[Target, ...]
    fallback_on: tuple[str, ...] = ("429", "5xx", "timeout", "connection")
    max_attempts: int = 4
    sticky: Sticky | None = None
    resilience: Resilience | None = None
    resilience_set: tuple[tuple[str, str], ...] = ()
    """The fields of `resilience` that the combo itself sets, as ("retry", "attempts"); the others
    are those of each target's provider."""


class Policy(Struct, frozen=True, kw_only=True):
    id: str
    action: Literal["deny", "route", "set", "limit", "warn", "require"]
    when: str | None = None
    message: str | None = None
    to: str | None = None
    values: Mapping[str, object] = {}
    """Dotted field to literal, or to a JMESPath expression where the value is text."""
    limit: KeyRateLimit | None = None
    per: Literal["all", "key", "ip"] = "all"
    """Who shares the windows of `limit`."""
    require: str | None = None


class IpFilter(Struct, frozen=True, kw_only=True):
    mode: Literal["off", "allow", "deny"] = "off"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    apply_to: tuple[Literal["inference", "management"], ...] = ("inference", "management")


class Budget(Struct, frozen=True, kw_only=True):
    """`scope` is one of ("global",), ("key", id), ("tag", name, value), ("provider", id),
    ("model", glob)."""

    id: str
    scope: tuple[str, ...]
    limit_nanousd: int
    period: Literal["daily", "weekly", "monthly", "total"]
    timezone: str = "UTC"
    warn_at: tuple[float, ...] = ()
    action: Literal["reject", "degrade", "warn"] = "reject"
    degrade_to: str | None = None
    webhook: Ref | None = None
    """Where to POST when spend crosses a share of `warn_at`."""
    webhook_private_network: bool = False


class SystemPrompt(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    text: str = ""
    position: Literal["prepend", "append", "replace"] = "prepend"


class ThinkingBudget(Struct, frozen=True, kw_only=True):
    mode: Literal["passthrough", "auto", "custom", "adaptive"] = "passthrough"
    tokens: int = 8192
    effort: str = "medium"


class Settings(Struct, frozen=True, kw_only=True):
    system_prompt: SystemPrompt = SystemPrompt()
    thinking_budget: ThinkingBudget = ThinkingBudget()
    proxy: Ref | None = None


class ExactCache(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    ttl_s: float = 3600.0
    max_entries: int = 500
    max_bytes: int = 64 << 20
    persist: bool = True


class SemanticCache(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    embedding_model: str = ""
    """A model, alias or combo; empty where none is named."""
    threshold: float = 0.95
    """Least cosine similarity of two questions with the same answer."""
    timeout_s: float = 2.0
    ttl_s: float = 3600.0
    max_entries: int = 1000
    max_bytes: int = 64 << 20
    persist: bool = True


class Cache(Struct, frozen=True, kw_only=True):
    exact: ExactCache = ExactCache()
    semantic: SemanticCache = SemanticCache()
    scope: Literal["key", "tag", "global"] = "key"


class SessionRule(Struct, frozen=True, kw_only=True):
    header: str = "X-Session-Id"
    idle_s: float = 1800.0


class Usage(Struct, frozen=True, kw_only=True):
    retention_s: float = 400 * 86400.0
    session: SessionRule = SessionRule()


class Reload(Struct, frozen=True, kw_only=True):
    watch: bool = True
    debounce_s: float = 0.2


class ConfigTest(Struct, frozen=True, kw_only=True):
    """One case of the `tests:` section; `mark` is where it stands."""

    name: str
    given: Mapping[str, object]
    expect: Mapping[str, object]
    mark: Mark | None = None


class Config(Struct, frozen=True, kw_only=True):
    """Everything that was declared, after includes and overlays."""

    version: int = 1
    server: Server = Server()
    auth: Auth = Auth()
    keys: Mapping[str, Key] = {}
    providers: Mapping[str, Provider] = {}
    aliases: Mapping[str, str] = {}
    combos: Mapping[str, Combo] = {}
    policies: tuple[Policy, ...] = ()
    ip_filter: IpFilter = IpFilter()
    budgets: Mapping[str, Budget] = {}
    settings: Settings = Settings()
    resilience: Resilience = Resilience()
    cache: Cache = Cache()
    idempotency_window_s: float = 5.0
    state_url: Ref | None = None
    """None means `auto`."""
    usage: Usage = Usage()
    reload: Reload = Reload()
    tests: tuple[ConfigTest, ...] = ()
    positions: Mapping[tuple[str | int, ...], Mark] = {}
    """Path of a node, for example ("policies", 2, "when"), to where it stands."""
