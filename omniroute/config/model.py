"""The checked configuration as frozen values: units parsed, defaults applied, secrets by reference.

Each field of the language stands here once, with its type and its default; `omniroute.config.bind`
reads a file by these types, and a test holds `schemas/omniroute.schema.json`, which describes the
same fields to people, against them. A field is called as in the file, less the unit that Python's
name tells. Durations are seconds, sizes bytes, money integer nano-dollars (1 USD = 10^9). A `Ref`
is text that may hold `${env:…}`/`${file:…}` references; it becomes a `Secret` when a snapshot is
activated, never earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, field

T = TypeVar("T")

Role = Literal["inference", "viewer", "admin"]
LoginRole = Literal["viewer", "admin"]
RequestLog = Literal["off", "on", "terminal"]
ModelKind = Literal["chat", "embedding", "image", "rerank", "moderation", "speech", "transcription"]
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


# What a field is written as, where that is not what its type says: see `omniroute.config.fields`.
Duration = Annotated[float, Meta(extra={"kind": "duration"})]
Size = Annotated[int, Meta(extra={"kind": "size"})]
Usd = Annotated[int, Meta(extra={"kind": "usd"})]
Rate = Annotated[tuple[int, float], Meta(extra={"kind": "rate"})]
"""(amount, window in seconds)."""
Share = Annotated[float, Meta(extra={"kind": "share"})]
FilePath = Annotated[str, Meta(extra={"kind": "path"})]
"""Absolute, resolved against the declaring file."""
Reference = Annotated[Ref, Meta(extra={"kind": "reference"})]
Word = Annotated[str, Meta(extra={"kind": "word"})]
"""Text, or a whole number as text."""
KeyHash = Annotated[str, Meta(extra={"kind": "key hash"})]
Expiry = Annotated[datetime, Meta(extra={"kind": "expiry"})]
Id = Annotated[str, Meta(extra={"kind": "id"})]
"""The key under which the entry stands in its map."""
Derived = Annotated[T, Meta(extra={"kind": "derived"})]
"""Stands in no file: what reading found out."""


def name_in_file(name: str) -> str:
    """A field's name without its unit: the file has the unit in the value."""
    for unit in ("_s", "_bytes", "_nanousd"):
        name = name.removesuffix(unit)
    return name


class Cors(Struct, frozen=True):
    origins: tuple[str, ...] = ()


class RequestLimits(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """How much one request may hold; every client that is known stays far below."""

    messages: int = 10_000
    tools: int = 1024
    fields: int = 1000
    values: int = 320_000  # OpenAI takes 300,000 tokens in 2,048 arrays
    name_bytes: Size = 1 << 10
    depth: int = 200


class Log(Struct, frozen=True):
    requests: RequestLog = "terminal"


class Server(Struct, frozen=True, kw_only=True, rename=name_in_file):
    host: str = "127.0.0.1"
    port: int = 20128
    workers: int | Literal["auto"] = 1
    data_dir: FilePath = ".omniroute"
    max_body_bytes: Size = 32 << 20
    max_bodies_bytes: Size = 512 << 20
    max_upload_bytes: Size = 256 << 20
    max_uploads_bytes: Size = 2 << 30
    limits: RequestLimits = RequestLimits()
    request_timeout_s: Duration = 600.0
    shutdown_grace_s: Duration = 30.0
    log: Log = Log()
    trusted_proxies: tuple[str, ...] = ()
    cors: Cors = Cors()


class Dashboard(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """Hashes are argon2id's; without `password_hash` the gateway has a password of its own."""

    require_login: bool = True
    password_hash: Reference | None = None
    viewer_password_hash: Reference | None = None
    session_ttl_s: Duration = 12 * 3600.0


class Auth(Struct, frozen=True, kw_only=True):
    require_api_key: bool = False
    """Where the file is silent: whether a key is declared."""
    dashboard: Dashboard = Dashboard()


class KeyRateLimit(Struct, frozen=True, kw_only=True):
    """None for no limit."""

    requests: Rate | None = None
    tokens: Rate | None = None
    concurrent: int = 0


class Key(Struct, frozen=True, kw_only=True):
    id: Id
    hashes: tuple[KeyHash, ...] = field(name="hash")
    """Lower-case hex SHA-256 digests; two while a key is rotated."""
    tags: Mapping[str, str] = {}
    models: tuple[str, ...] = ()
    """Globs over model ids, aliases and combos; empty means all."""
    expires: Expiry | None = None
    """UTC instant at which the key stops working."""
    rate_limit: KeyRateLimit = KeyRateLimit()
    roles: tuple[Role, ...] = ("inference",)
    disabled: bool = False


class Timeouts(Struct, frozen=True, kw_only=True, rename=name_in_file):
    connect_s: Duration = 5.0
    first_byte_s: Duration = 120.0
    idle_s: Duration = 60.0


class Tls(Struct, frozen=True, kw_only=True):
    """`insecure_skip_verify` is a check warning; files are absolute paths."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    insecure_skip_verify: bool = False


class Price(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """Nano-dollars per million tokens; None where unknown, never 0 in its place."""

    input_nanousd: Usd | None = None
    output_nanousd: Usd | None = None
    cached_input_nanousd: Usd | None = None
    cache_write_nanousd: Usd | None = None
    unit_nanousd: Usd | None = None
    """Of one unit, not of a million, where tokens are not what is paid for: a picture, a search."""


class Model(Struct, frozen=True, kw_only=True):
    """A provider's model as declared in the file or in a preset."""

    id: Id
    kind: ModelKind = "chat"
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None
    """None means unknown: nothing is assumed missing."""
    price: Price | None = None
    upstream_id: str | None = None
    """The name that the provider knows, where it differs from `id`."""
    dimensions: int | None = None
    """Of an embedding model's vectors, where a request asks for no other length."""
    max_inputs: int | None = None
    """Of one request to an embedding model; None for what its format bears."""


class Queue(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """Per connection; 0 turns a bound off."""

    max_wait_s: Duration = 10.0
    max_concurrent: int = 0
    requests_per_minute: int = 0
    min_gap_s: Duration = 0.0


class Retry(Struct, frozen=True, kw_only=True, rename=name_in_file):
    attempts: int = 2
    """Attempts per connection for failures that may pass by themselves; 0 turns retries off."""
    base_s: Duration = 0.2
    max_interval_s: Duration = 30.0
    honor_retry_after: bool = True


class Breaker(Struct, frozen=True, kw_only=True, rename=name_in_file):
    failures: int = 5
    window_s: Duration = 30.0
    open_s: Duration = 30.0
    half_open_probes: int = 1


class Cooldown(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """`rate_limited_s` None means: as long as the provider's headers say; `auth_s` is the longest
    rest after refusals of a credential in a row."""

    rate_limited_s: Annotated[float | None, Meta(extra={"kind": "cooldown"})] = None
    error_s: Duration = 5.0
    auth_s: Duration = 3600.0
    auth_first_s: Duration = 10.0


class Resilience(Struct, frozen=True, kw_only=True):
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    cooldown: Cooldown = Cooldown()
    queue: Queue = Queue()


class Connection(Struct, frozen=True, kw_only=True):
    """One credential at a provider, with its own health and limits."""

    id: Id
    api_key: Reference | None = None
    priority: int = 1
    weight: int = 1
    enabled: bool = True
    base_url: str | None = None
    headers: Mapping[str, Reference] = {}
    proxy: Reference | None = None


class Quirks(Struct, frozen=True, kw_only=True):
    """What a server wants otherwise than its format; a table asks for these by `var('quirks')`."""

    call_ids: str | None = None
    """What ids of tool calls may be: characters and how many, as `[a-zA-Z0-9]{9}`."""
    thoughts: Literal["reasoning_content", "reasoning", "none"] | None = None
    """The member of a message in which thoughts of earlier turns go back."""
    top_k: bool = False
    """It takes `top_k`, which its format does not have."""


class SentKey(Struct, frozen=True, kw_only=True):
    """How a server takes its key, where that is not as its format does."""

    header: str = "authorization"
    template: str = "{key}"


class DeclaredPreset(Struct, frozen=True, kw_only=True):
    """A preset as it is written, in the file or in the catalog."""

    id: Id
    title: str = ""
    format: str
    base_url: str | None = None
    own_url: str | None = None
    docs: str = ""
    sources: tuple[str, ...] = ()
    key_env: str | None = None
    headers: Mapping[str, Reference] = {}
    allow_private_network: bool = False
    free: bool = False
    catalog: str | None = None
    models: Mapping[ModelKind, tuple[str, ...]] = {}
    chat_of: str | None = None
    """Another preset, whose chat models are these too."""
    omit: tuple[Word, ...] = ()
    rename: Mapping[str, str] = {}
    quirks: Quirks | None = None
    query: Mapping[str, Word] = {}
    auth: SentKey | None = None


class Provider(Struct, frozen=True, kw_only=True):
    """A vendor or server, its preset already merged in."""

    id: Id
    format: str
    """Name of a translation table."""
    base_url: str
    preset: str | None = None
    connections: Mapping[str, Connection] = {}
    """Never empty: without a declaration there is one named `default` with no credential."""
    balance: Balance = "priority"
    allow_private_network: bool = False
    headers: Mapping[str, Reference] = {}
    timeout: Timeouts = Timeouts()
    tls: Tls = Tls()
    proxy: Reference | None = None
    client: Literal["fast", "httpx"] = "fast"
    models: Mapping[str, Model] = {}
    """Declared models win over the preset's; a model that is in neither may still be called as
    `provider/model` unless `strict_models`."""
    strict_models: bool = False
    omit: tuple[Word, ...] = ()
    """Members of a request's body, at its top or as `messages[].name`, that this server does not
    bear."""
    rename: Mapping[str, str] = {}
    """Members of a request's body, at its top, that this server knows by another name."""
    quirks: Quirks | None = None
    query: Mapping[str, Word] = {}
    """Sent with every request. Where `base_url` holds `{model}`, each has a path of its own."""
    auth: SentKey | None = None
    resilience: Resilience | None = None
    unlisted: Derived[Mapping[str, Model]] = {}
    """What its preset knows of models that it does not list."""
    catalog: Derived[str | None] = None
    """What the catalog of models and prices calls it, where its preset says so."""
    free: Derived[bool] = False
    """Its models cost nothing unless a price is declared."""


class Target(Struct, frozen=True, kw_only=True):
    """A model id, alias or combo that a combo points at."""

    SHORT: ClassVar[str] = "model"
    """The field that a text in the place of the map stands for."""

    model: str
    weight: int = 1
    when: str | None = None


class Sticky(Struct, frozen=True, kw_only=True, rename=name_in_file):
    by: Literal["session", "key", "none"] = "session"
    ttl_s: Duration = 1800.0


class Combo(Struct, frozen=True, kw_only=True):
    """A model name that stands for several targets."""

    id: Id
    strategy: StrategyName = "priority"
    targets: tuple[Target, ...]
    fallback_on: tuple[Word, ...] = ("429", "5xx", "timeout", "connection")
    max_attempts: int = 4
    sticky: Sticky | None = None
    resilience: Resilience | None = None
    resilience_set: Derived[tuple[tuple[str, str], ...]] = ()
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


class Webhook(Struct, frozen=True, kw_only=True):
    """Where to POST when spend crosses a share of `warn_at`."""

    SHORT: ClassVar[str] = "url"
    url: Reference
    allow_private_network: bool = False


class Budget(Struct, frozen=True, kw_only=True, rename=name_in_file):
    """`scope` is one of ("global",), ("key", id), ("tag", name, value), ("provider", id),
    ("model", glob)."""

    id: Id
    scope: Annotated[tuple[str, ...], Meta(extra={"kind": "scope"})] = ("global",)
    limit_nanousd: Usd
    period: Literal["daily", "weekly", "monthly", "total"] = "monthly"
    timezone: str = "UTC"
    warn_at: tuple[Share, ...] = ()
    action: Literal["reject", "degrade", "warn"] = "reject"
    degrade_to: str | None = None
    unpriced: Literal["reject", "allow"] = "reject"
    """What has no price, unless the action is `warn`."""
    webhook: Webhook | None = None


class SystemPrompt(Struct, frozen=True, kw_only=True):
    enabled: bool = False
    text: str = ""
    position: Literal["prepend", "append", "replace"] = "prepend"


class ThinkingBudget(Struct, frozen=True, kw_only=True):
    mode: Literal["passthrough", "auto", "custom", "adaptive"] = "passthrough"
    tokens: int = 8192
    effort: Literal["minimal", "low", "medium", "high"] = "medium"


class Settings(Struct, frozen=True, kw_only=True):
    system_prompt: SystemPrompt = SystemPrompt()
    thinking_budget: ThinkingBudget = ThinkingBudget()
    proxy: Reference | None = None


class ExactCache(Struct, frozen=True, kw_only=True, rename=name_in_file):
    enabled: bool = False
    ttl_s: Duration = 3600.0
    max_entries: int = 500
    max_bytes: Size = field(default=64 << 20, name="max_bytes")
    persist: bool = True


class SemanticCache(Struct, frozen=True, kw_only=True, rename=name_in_file):
    enabled: bool = False
    embedding_model: str = ""
    """A model, alias or combo; empty where none is named."""
    threshold: float = 0.95
    """Least cosine similarity of two questions with the same answer."""
    timeout_s: Duration = 2.0
    ttl_s: Duration = 3600.0
    max_entries: int = 1000
    max_bytes: Size = field(default=64 << 20, name="max_bytes")
    persist: bool = True


class Cache(Struct, frozen=True, kw_only=True):
    exact: ExactCache = ExactCache()
    semantic: SemanticCache = SemanticCache()
    scope: Literal["key", "tag", "global"] = "key"


class SessionRule(Struct, frozen=True, kw_only=True, rename=name_in_file):
    header: str = "X-Session-Id"
    idle_s: Duration = 1800.0


class UsageSettings(Struct, frozen=True, kw_only=True, rename=name_in_file):
    retention_s: Duration = 400 * 86400.0
    session: SessionRule = SessionRule()


class Reload(Struct, frozen=True, kw_only=True, rename=name_in_file):
    watch: bool = True
    debounce_s: Duration = 0.2


class Idempotency(Struct, frozen=True, rename=name_in_file):
    window_s: Duration = 5.0


class State(Struct, frozen=True):
    url: Annotated[Ref | None, Meta(extra={"kind": "state url"})] = None
    """None means `auto`."""


class Given(Struct, frozen=True, kw_only=True):
    """The request of a test."""

    model: str = ""
    key: str | None = None
    tags: Mapping[str, str] | None = None
    """None means the key's own."""
    ip: str | None = None
    provider: str | None = None
    session: str | None = None
    tools: bool = False
    vision: bool = False
    format: str | None = None
    """None means the format of the default path."""
    path: str = "/v1/chat/completions"
    kind: ModelKind = "chat"
    stream: bool = False
    headers: Mapping[str, str] = {}
    at: str | None = None
    input_tokens: int = 0
    max_tokens: int | None = None
    spent: Mapping[str, float] = {}


class Expect(Struct, frozen=True, kw_only=True):
    """What must become of a test's request; what is unset is not looked at."""

    deny: str | bool = False
    status: int | UnsetType = UNSET
    model: str | UnsetType = UNSET
    route: str | tuple[str, ...] | UnsetType = UNSET
    set_fields: Mapping[str, Any] | UnsetType = field(default=UNSET, name="set")
    limits: tuple[str, ...] | UnsetType = UNSET
    warn: tuple[str, ...] | UnsetType = UNSET


class Management(Struct, frozen=True, kw_only=True):
    """What the management API may do to the files."""

    write: Literal["off", "file", "git"] = "file"
    push: bool = False


class ConfigTest(Struct, frozen=True, kw_only=True):
    """One case of the `tests:` section; `mark` is where it stands."""

    name: str
    given: Given
    expect: Expect
    mark: Derived[Mark | None] = None


class Config(Struct, frozen=True, kw_only=True):
    """Everything that was declared, after includes and overlays."""

    version: Literal[1] = 1
    include: tuple[str, ...] = ()
    """The main file's patterns; what they named is part of everything else."""
    server: Server = Server()
    auth: Auth = Auth()
    keys: Mapping[str, Key] = {}
    presets: Mapping[str, DeclaredPreset] = {}
    providers: Mapping[str, Provider] = {}
    aliases: Mapping[str, str] = {}
    combos: Mapping[str, Combo] = {}
    policies: tuple[Policy, ...] = ()
    ip_filter: IpFilter = IpFilter()
    budgets: Mapping[str, Budget] = {}
    settings: Settings = Settings()
    resilience: Resilience = Resilience()
    cache: Cache = Cache()
    idempotency: Idempotency = Idempotency()
    state: State = State()
    usage: UsageSettings = UsageSettings()
    reload: Reload = Reload()
    management: Management = Management()
    tests: tuple[ConfigTest, ...] = ()
    positions: Derived[Mapping[tuple[str | int, ...], Mark]] = {}
    """Path of a node, for example ("policies", 2, "when"), to where it stands."""
