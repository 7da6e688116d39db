"""The values that cross the border of translation; what other packages see of a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from omniroute.config.model import ModelKind, RequestLimits
from omniroute.errors import Kind, Original

DEFAULT_FORMAT: Final = "openai-chat"
"""Where nothing shows what a client speaks: the errors of paths that nobody serves, and requests
that are only thought of (`omniroute route`, the configuration's tests)."""

Act = Literal[
    "infer",
    "count",
    "compact",
    "models",
    "model",
    "details",
    "kept",
    "forget",
    "about",
    "socket",
]
"""What a client asks for at a path: an answer, its request's size in tokens, what a conversation
comes to in short, the list of models, one model by its path, one by a body, a kept answer, that it
be forgotten, the gateway's version, a socket for more requests."""


class Usage(Struct, frozen=True, kw_only=True):
    """Disjoint token classes of one answer, and its tier; None where the provider did not say.

    input = input_uncached + cache_read + cache_write; reasoning is a part of output.
    """

    input_uncached: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None
    units: int | None = None
    """What is not counted in tokens: pictures, searches."""
    service_tier: str | None = None
    """What the provider says it served, in its own word."""


class Failure(Struct, frozen=True, kw_only=True):
    """An error in no format: what an upstream said, or what the gateway says."""

    kind: Kind
    status: int
    message: str
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
    original: Original | None = None
    """Where clients of its format get a provider's errors as they came."""


class Facts(Struct, frozen=True, kw_only=True):
    """What the gateway needs to know of a client's request, read by its format's table."""

    model: str | None
    stream: bool
    session: str | None = None
    """The client's own hint that requests belong together (user, prompt_cache_key, metadata…)."""
    max_output_tokens: int | None = None
    tools: bool = False
    images: bool = False
    temperature: float | None = None
    units: int = 0
    """How many are asked for of what is not counted in tokens."""
    calls: tuple[str, ...] = ()
    """Ids of the tool calls in the history, where clients of the format forget what came with
    them."""


class Destination(Struct, frozen=True, kw_only=True):
    """What the tables may know of the model that a request goes to."""

    provider: str
    model: str
    """The id that the provider knows."""
    stream: bool
    capabilities: frozenset[str] | None = None
    """None: unknown, nothing is assumed missing."""
    context_window: int | None = None
    max_output_tokens: int | None = None
    set_fields: Mapping[str, Any] = {}
    """Hub fields that policies or settings set, dotted path to value, applied in every format."""
    framing: str | None = None
    """How the client wants its stream framed, where that is not its format's usual way."""
    asked_stream: bool | None = None
    """Whether the body itself asks for a stream, where its facts have been read already."""
    recalled: Mapping[str, Any] = {}
    """Kept from earlier answers by tool-call id: what this format has no place for."""
    without: frozenset[str] = frozenset()
    """Members of the body that the provider does not bear: at its top, or as `messages[].name` in
    each item of a list there."""
    renamed: Mapping[str, str] = {}
    """Members of the body, at its top, that the provider knows by another name."""
    quirks: Mapping[str, Any] = {}
    """What the provider wants otherwise than its format: `omniroute.config.model.Quirks`."""
    max_inputs: int | None = None
    """Inputs that the model takes in one request for vectors; None for what the format bears."""
    now_s: int = 0
    """Unix time of the request, for formats whose answers carry one that the provider left out."""
    seed: str = ""
    """Unique for each attempt (the request id and a count): ids that a provider left out are made
    from it, so that translation itself needs no randomness."""


class Outbound(Struct, frozen=True, kw_only=True):
    """A request as the provider gets it; `path` and `query` go onto the base URL."""

    path: str
    method: Literal["POST", "GET"] = "POST"
    headers: tuple[tuple[str, str], ...]
    """What the format itself needs (content type, version), no credentials."""
    body: bytes
    query: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    """Fields of the client's request that the provider's format cannot express."""
    added: tuple[str, ...] = ()
    """Members of the body that only the gateway asked for, and can do without."""
    earlier: tuple[bytes, ...] = ()
    """Bodies to be sent before, where one request of the provider does not hold all of it."""
    tail: bytes | None = None
    """What comes behind the client's file, which is sent behind `body`; None without one."""


class Onward(Struct, frozen=True, kw_only=True):
    """What is asked next, where an answer takes several requests, and when."""

    outbound: Outbound
    wait_s: float


class Reply(Struct, frozen=True, kw_only=True):
    """A whole answer in the client's format."""

    body: bytes
    usage: Usage
    stop: str | None
    """Hub stop reason."""
    dropped: tuple[str, ...] = ()
    remember: Mapping[str, Any] = {}
    """To be recalled on a later turn, by tool-call id."""
    estimate: int | None = None
    """Tokens of output by estimate; None where the provider counted them."""
    content_type: str = "application/json"


class Stream(Protocol):
    """One streamed answer on its way through. Owned by one request, fed in order."""

    started: bool
    """A piece of the answer itself, or its end, has come. What only announces an answer (its id, an
    empty block, a ping) does not count: until then another provider may still be tried."""
    done: bool
    """The upstream's own end marker was seen."""
    usage: Usage
    stop: str | None
    failure: Failure | None
    """The upstream reported an error inside its stream; nothing more is to be fed."""
    dropped: tuple[str, ...]
    remember: Mapping[str, Any]
    malformed: int
    """Frames that could not be read and were skipped."""
    chunks: int
    """Content frames seen."""
    whole: bytes
    """At the end the answer as it would be without streaming, where it may be continued."""

    def feed(self, chunk: bytes) -> bytes:
        """Upstream bytes, split anywhere, to client bytes (maybe none yet)."""
        ...

    def finish(self) -> bytes:
        """The upstream closed. The rest of the client's stream with its end marker.

        Raises UpstreamCutError when the format's terminal marker never came.
        """
        ...

    def fail(self, failure: Failure) -> bytes:
        """An error event in the client's format that ends the stream."""
        ...

    def ping(self) -> bytes:
        """A keep-alive in the client's format."""
        ...

    def estimate(self) -> int:
        """Tokens of output so far by estimate, for when the provider did not count them."""
        ...


class Question(Struct, frozen=True, kw_only=True):
    """A request as the search by meaning sees it."""

    text: str
    """What the last turn says; the one part that may differ a little."""
    frame: tuple[Any, ...]
    """All the rest, as JSON values, which must be equal: earlier turns, system, tools, pictures."""


class Embedded(Struct, frozen=True, kw_only=True):
    """The answer of an embedding model to one text."""

    vector: tuple[float, ...]
    usage: Usage


class Embedder(Protocol):
    """How the models of one provider format are asked for an embedding."""

    def request(self, text: str, model: str) -> Outbound: ...

    def reply(self, body: bytes) -> Embedded:
        """Raises UpstreamCutError when there is no vector in it."""
        ...


class Pair(Protocol):
    """One direction of use: a client's format in front of a provider's format.

    When both are the same the body passes through: only the model's name and `set_fields` change.
    """

    format: str
    """The client's."""
    passthrough: bool
    forwards: tuple[str, ...]
    """Lower-case names of the client's headers that belong to its body and go with it."""
    returns: tuple[str, ...]
    """The same of the provider's answer, for its client; a star at the end is any rest."""
    errors_pass: bool
    """The client gets the provider's errors as they came."""
    goes_on: bool
    """An answer takes several requests: see `onward`."""

    def request(self, body: dict[str, Any], raw: bytes, target: Destination) -> Outbound:
        """Client body (parsed, and as it came) to the provider's request.

        Raises TranslationError for a malformed body or where dropping would change the meaning.
        """
        ...

    def reply(
        self,
        body: bytes,
        request: dict[str, Any],
        target: Destination,
        *,
        earlier: Sequence[bytes] = (),
    ) -> Reply:
        """The provider's answer to the client's; a stream that came in its place is folded.

        Raises UpstreamCutError when unreadable, UpstreamReportedError for the words of an error; of
        one inside a stream it is a StreamFailedError, which holds the failure.

        `earlier` are the answers to what was sent before, in order.
        """
        ...

    def onward(
        self, body: bytes, request: dict[str, Any], target: Destination, *, step: int
    ) -> Onward | None:
        """What follows from the answer to a request, the first of which is step 0; None for the
        last, of which `reply` is made. Raises UpstreamCutError when nothing can."""
        ...

    def stream(
        self, request: dict[str, Any], target: Destination, *, ahead: bool = False
    ) -> Stream:
        """`ahead`: what the answer needs of the request is read now, and not when it is needed."""
        ...

    def is_whole(self, first: bytes) -> bool:
        """Whether the first bytes for a stream begin something else than the format's frames: a
        whole answer, or a stream in another framing. Both are for `retell`."""
        ...

    def retell(
        self, body: bytes, request: dict[str, Any], target: Destination
    ) -> tuple[Stream, bytes]:
        """Such a body, read to its end: the stream at its end, and all that the client gets of it.

        Raises as `reply` does.
        """
        ...

    def replay(self, body: bytes, request: dict[str, Any], target: Destination) -> bytes:
        """A whole answer in the client's format as its stream; for answers that were kept.

        Raises TranslationError where the stream could not say all of it.
        """
        ...

    def fold(self, data: bytes, request: dict[str, Any], target: Destination) -> bytes:
        """The reverse: all bytes of a client's stream, in its usual framing, as a whole answer.

        Raises TranslationError or UpstreamCutError.
        """
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        """The provider's error answer, classified. Never raises."""
        ...


class Continuing(Protocol):
    """A format whose clients may go on from an answer by its id alone."""

    field: str
    """Of the body that names the answer to go on from."""

    def previous(self, body: Mapping[str, Any]) -> str | None: ...

    def expand(self, body: Mapping[str, Any], items: list[Any]) -> dict[str, Any]:
        """The body with what went before in front of its input, as if the client had sent it."""
        ...

    def wanted(self, body: Mapping[str, Any]) -> bool:
        """Whether the answer to this body is to be kept."""
        ...

    def items(self, body: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Any]:
        """The conversation up to an answer and with it: what a later request goes on from."""
        ...

    def whole(self, event: Any) -> dict[str, Any] | None:
        """The whole answer that a stream's last event repeats; None when it does not."""
        ...


class OnSocket(Protocol):
    """A format whose clients may ask over a WebSocket, one request after the other."""

    framing: str
    """Of the streams of answers, in which each message is an event."""
    lane: str | None
    """The member of a message that its answer's events repeat."""

    def request(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The body of the request that a message makes; None for one that makes none."""
        ...

    def prepares(self, message: dict[str, Any]) -> bool:
        """Whether nothing is to be answered yet: a later request goes on from it."""
        ...

    def error(self, envelope: bytes, status: int, headers: Mapping[str, str]) -> bytes:
        """The event of an error that the format has in an envelope elsewhere."""
        ...

    def prepared(self, body: dict[str, Any], target: Destination) -> bytes:
        """The events of an answer in which nothing is said."""
        ...


class Endpoint(Struct, frozen=True, kw_only=True):
    """A method and a path at which clients of a format ask, as its table says."""

    format: str
    method: str
    path: str
    """`{provider}` and `{id}` stand for one segment, `{model}` for the rest up to a `:word`."""
    act: Act
    kind: ModelKind | None = None
    """Of the models that are asked, or listed; None for chat, and for lists of all kinds."""
    stream: bool | None = None
    """Where the path, not the body, says whether to stream."""
    framing: str | None = None
    """Of a stream asked for here, where it is not the format's own."""
    unless: tuple[str, str] | None = None
    """A query parameter and its value with which it is the format's own all the same."""
    told_by: str | None = None
    """The header, in lower case, by which clients show their format at a path of several."""


class KeyPlaces(Struct, frozen=True, kw_only=True):
    """Where clients put a key beside `Authorization: Bearer`; headers in lower case, in order."""

    headers: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


class ClientFormat(Protocol):
    """What the edge needs of the format that a client speaks."""

    name: str
    loads_without: str | None
    """The member without which a request only loads a model, and nobody is asked."""
    unknown_model: str
    """What is said of a model that does not exist, with `{model}` for its name."""
    continuing: Continuing | None
    """None for formats whose clients send all that went before themselves."""
    socket: OnSocket | None
    """None for formats whose clients ask over HTTP alone."""

    def check(self, body: dict[str, Any]) -> None:
        """Raises TranslationError, naming the field, for what no provider of any format takes."""
        ...

    def facts(self, body: dict[str, Any]) -> Facts:
        """Raises TranslationError naming the field when one has the wrong type."""
        ...

    def opening(self, body: dict[str, Any]) -> str | None:
        """In short, what the user of a conversation says first: all its requests begin with it.
        None where that cannot be told."""
        ...

    def status(self, failure: Failure) -> int:
        """The HTTP status that clients of the format know for it."""
        ...

    def question(self, body: dict[str, Any]) -> Question | None:
        """For the search by meaning; None when the last turn is not a text of the user.

        Raises TranslationError for a malformed body.
        """
        ...

    def error(self, failure: Failure, request_id: str) -> bytes:
        """The format's own error envelope."""
        ...

    def stream_content_type(self, framing: str | None = None, *, given: str = "") -> str:
        """Of the format's usual framing, or of the one that the client chose; of what passes as it
        comes the provider's, `given`."""
        ...

    def answer(self, name: str, node: Mapping[str, Any], *, now_s: float = 0) -> Any:
        """One of the answers beside those to requests (`client.answers`), as JSON values.

        Raises TranslationError where the client's own words in `node` cannot be read.
        """
        ...

    def request_in(self, act: Act, raw: bytes) -> bytes:
        """The request that is meant by a body that asks for a count, or for a conversation in
        short; any other body as it is."""
        ...

    def check_bounds(self, body: dict[str, Any], limits: RequestLimits, *, size_bytes: int) -> None:
        """Raises TranslationError, naming the field, for a body with too many messages, tools or
        fields, or with too long a name; `size_bytes` is its size as JSON."""
        ...

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schemas of its requests' known fields, by their names as components; the body's
        first, none where the table does not say what its fields may be."""
        ...

    def check_counted(self, body: dict[str, Any]) -> None:
        """Raises TranslationError for a request in which nothing is said that could be counted."""
        ...

    def details_of(self, body: dict[str, Any]) -> str | None:
        """The model that a body asks about."""
        ...

    def progress(self, counts: Mapping[str, int]) -> bytes:
        """A progress event that the format's clients can bear between two of their own."""
        ...


class About(Struct, frozen=True, kw_only=True):
    """What people want to know of a format."""

    name: str
    title: str
    file: str
    """The table's, as `load_formats` was given it."""
    framing: str
    path: str
    drops: tuple[str, ...]
    """Hub fields that are left out, and said so, where they are set."""
    rejects: tuple[str, ...]
    """Hub fields that make a request impossible."""


class Counter(Protocol):
    """How the providers of one format are asked how many tokens a request has."""

    def request(self, body: bytes, model: str) -> Outbound:
        """`body` is the request as the provider would get it. Raises TranslationError."""
        ...

    def reply(self, body: bytes) -> int:
        """Raises UpstreamCutError when there is no count in it."""
        ...


class Lister(Protocol):
    """How the providers of one format are asked which models they have."""

    path: str
    """Of a GET, under the base URL."""
    headers: tuple[tuple[str, str], ...]

    def reply(self, body: bytes) -> tuple[str, ...]:
        """Their ids. Raises UpstreamCutError when there is no list in it."""
        ...


class Formats(Protocol):
    """The compiled tables of one snapshot."""

    endpoints: tuple[Endpoint, ...]
    """Of all formats. Several formats may share a path if headers tell them apart."""
    key_places: KeyPlaces
    """Of all formats: a client may present its key as any SDK does."""
    vary: tuple[str, ...]
    """Headers, in lower case, that change what an answer means."""
    speaking: Mapping[ModelKind, frozenset[str]]
    """By kind of model, the formats whose tables say how it is asked from any other."""
    reached: Mapping[tuple[str, ModelKind], frozenset[str]]
    """The same for the clients of one format, who also reach what only their own format asks."""

    def names(self) -> tuple[str, ...]: ...

    def envelope(self, path: str, headers: Mapping[str, str]) -> str | None:
        """The format whose errors a client of `path` can read; None where no format is served."""
        ...

    def about(self) -> tuple[About, ...]: ...

    def client(self, name: str, kind: ModelKind = "chat") -> ClientFormat: ...

    def pair(self, client: str, upstream: str, kind: ModelKind = "chat") -> Pair:
        """Cached; compiling happens when the tables are loaded, not here.

        Raises KeyError for a kind that one of them does not speak of.
        """
        ...

    def embedder(self, upstream: str) -> Embedder | None:
        """None for a format whose table does not say how to ask for an embedding."""
        ...

    def counter(self, upstream: str) -> Counter | None:
        """None for a format whose providers cannot be asked to count."""
        ...

    def lister(self, upstream: str) -> Lister | None:
        """None for a format whose providers do not list their models."""
        ...

    def auth_headers(self, upstream: str, key: str) -> tuple[tuple[str, str], ...]:
        """How a provider of this format takes its credential."""
        ...
