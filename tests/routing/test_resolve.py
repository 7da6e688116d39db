"""What names mean, who may use them, and what is said when they mean nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from omniroute.config.model import Combo, Config, Connection, Model, Target
from omniroute.errors import RequestError
from omniroute.routing.index import ModelIndex, compile_index
from omniroute.routing.plan import RouteFacts, path_of, plan
from omniroute.routing.resolve import list_models, resolve, resolve_for_provider
from omniroute.routing.values import Leaf
from tests.routing.world import World, provider

CONFIG = Config(
    providers={
        "openai": provider("openai", Model(id="gpt-5"), Model(id="shared"), strict=True),
        "cc": provider("cc", Model(id="opus"), Model(id="shared")),
        "hub": provider("hub", Model(id="openai/gpt-5"), Model(id="meta/llama")),
        "idle": provider(
            "idle", Model(id="old"), connections=(Connection(id="main", enabled=False),)
        ),
    },
    aliases={
        "best": "smart",
        "gpt-4o": "openai/gpt-5",
        "gpt-*": "openai/gpt-5",
        "gpt-4*": "cc/opus",
        "*": "smart",
        "openai/turbo": "cc/opus",
        "claude-*": "cc/*",
    },
    combos={
        "smart": Combo(id="smart", targets=(Target(model="cc/opus"), Target(model="fast"))),
        "fast": Combo(id="fast", targets=(Target(model="gpt-4o"),)),
    },
)
NO_STAR = Config(
    providers=CONFIG.providers,
    aliases={name: to for name, to in CONFIG.aliases.items() if name != "*"},
    combos=CONFIG.combos,
)


@pytest.fixture(scope="module")
def index() -> ModelIndex:
    return compile_index(CONFIG)


@pytest.fixture(scope="module")
def narrow() -> ModelIndex:
    return compile_index(NO_STAR)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        pytest.param("cc/opus:latest", "cc/opus", id="a declared model"),
        pytest.param("opus:latest", "cc/opus", id="a bare model"),
        pytest.param("smart:latest", "smart", id="a combo"),
        pytest.param("best:latest", "smart", id="an alias"),
        pytest.param("cc/other:latest", "cc/other:latest", id="nothing that is declared"),
        pytest.param("gpt-5:latest", "openai/gpt-5", id="a wildcard is asked before"),
    ],
)
def test_the_tag_that_ollamas_clients_add_is_none(
    narrow: ModelIndex, name: str, means: str
) -> None:
    assert resolve(narrow, name).id == means


@pytest.mark.parametrize(
    ("name", "means"),
    [
        pytest.param("openai/gpt-5", "openai/gpt-5", id="provider-and-model"),
        pytest.param("opus", "cc/opus", id="bare-model-of-one-provider"),
        pytest.param("smart", "smart", id="combo"),
        pytest.param("best", "smart", id="alias-of-a-combo"),
        pytest.param("gpt-4o", "openai/gpt-5", id="exact-alias-before-wildcards"),
        pytest.param("gpt-4-turbo", "cc/opus", id="longest-wildcard"),
        pytest.param("gpt-3", "openai/gpt-5", id="shorter-wildcard"),
        pytest.param("claude-opus", "cc/opus", id="star-carried-over"),
        pytest.param("claude-unheard", "cc/unheard", id="undeclared-model-of-an-open-provider"),
        pytest.param("cc/anything", "cc/anything", id="star-takes-no-prefixed-name"),
        pytest.param("meta/llama", "hub/meta/llama", id="bare-model-with-a-slash"),
        pytest.param("hub/openai/gpt-5", "hub/openai/gpt-5", id="model-that-looks-prefixed"),
        pytest.param("whatever", "smart", id="catch-all"),
    ],
)
def test_meaning(index: ModelIndex, name: str, means: str) -> None:
    if name in ("opus", "meta/llama"):
        index = compile_index(NO_STAR)
    assert resolve(index, name).id == means


def refusal(index: ModelIndex, name: str, *globs: str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        resolve(index, name, globs)
    return caught.value


def test_ambiguous_model_lists_its_providers(narrow: ModelIndex) -> None:
    error = refusal(narrow, "shared")
    assert (error.kind, error.status, error.param) == ("invalid_request", 400, "model")
    assert error.message.endswith("ask for one of: openai/shared, cc/shared")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("openai/gpt5", "openai/gpt-5"), ("smarrt", "smart"), ("opsu", "cc/opus")],
)
def test_unknown_model_brings_a_suggestion(narrow: ModelIndex, name: str, hint: str) -> None:
    error = refusal(narrow, name)
    assert (error.kind, error.status, error.param) == ("not_found", 404, "model")
    assert f'did you mean "{hint}"' in error.message


def test_a_suggestion_shows_nothing_that_the_key_may_not_use(narrow: ModelIndex) -> None:
    assert "cc/opus" not in refusal(narrow, "opsu", "openai/*").message


@pytest.mark.parametrize(
    ("globs", "name", "may"),
    [
        (("smart",), "smart", True),
        (("smart",), "best", True),
        (("smart",), "cc/opus", False),
        (("openai/*",), "openai/gpt-5", True),
        (("openai/*",), "gpt-4o", True),
        (("openai/*",), "gpt-4-turbo", False),
        (("openai/*",), "openai/turbo", False),
        (("openai/*",), "smart", False),
        (("best",), "best", True),
        (("best",), "smart", False),
        (("gpt-4*",), "gpt-4-turbo", True),
        (("opus",), "cc/opus", True),
        (("shared",), "cc/shared", False),
        (("*",), "cc/opus", True),
        ((), "cc/opus", True),
    ],
)
def test_key_globs(narrow: ModelIndex, globs: tuple[str, ...], name: str, *, may: bool) -> None:
    if may:
        resolve(narrow, name, globs)
    else:
        assert refusal(narrow, name, *globs).status == 403


def test_models_list_is_what_the_key_may_use(narrow: ModelIndex) -> None:
    listed = [(row.id, row.target, row.owned_by) for row in list_models(narrow, ("smart", "cc/*"))]
    assert listed == [
        ("smart", None, "combo"),
        ("best", "smart", "combo"),
        ("openai/turbo", "cc/opus", "cc"),
        ("cc/opus", None, "cc"),
        ("cc/shared", None, "cc"),
    ]


def test_models_list_leaves_out_what_is_disabled(narrow: ModelIndex) -> None:
    assert not any(row.owned_by == "idle" for row in list_models(narrow))


@pytest.mark.parametrize(
    ("provider_id", "name", "means"),
    [
        ("cc", "opus", "cc/opus"),
        ("cc", "cc/opus", "cc/opus"),
        ("cc", "smart", "cc/smart"),
        ("hub", "openai/gpt-5", "hub/openai/gpt-5"),
    ],
)
def test_provider_endpoint_adds_its_prefix(
    index: ModelIndex, provider_id: str, name: str, means: str
) -> None:
    assert resolve_for_provider(index, provider_id, name).id == means


@pytest.mark.parametrize(
    ("provider_id", "name", "status"),
    [("cc", "openai/gpt-5", 400), ("openai", "unheard", 404), ("opena", "gpt-5", 404)],
)
def test_provider_endpoint_refuses_what_is_not_its_own(
    index: ModelIndex, provider_id: str, name: str, status: int
) -> None:
    with pytest.raises(RequestError) as caught:
        resolve_for_provider(index, provider_id, name)
    assert caught.value.status == status


def test_path_names_every_step() -> None:
    world = World(CONFIG)
    found = plan(resolve(world.index, "best"), RouteFacts(), world.live, now_s=0.0, rng=world.rng)
    paths = [path_of(found.resolved, candidate) for candidate in found.candidates]
    assert paths == [
        ("best", "smart", "cc/opus"),
        ("best", "smart", "fast", "openai/gpt-5"),
    ]


@pytest.mark.parametrize("strict", [False, True])
def test_a_model_that_is_known_and_not_listed_is_what_it_is(*, strict: bool) -> None:
    known = Model(id="old", context_window=1000, capabilities=("tools",))
    lab = replace(provider("lab", Model(id="new"), strict=strict), unlisted={"old": known})
    index = compile_index(Config(providers={"lab": lab}))
    assert [row.id for row in list_models(index)] == ["lab/new"]
    if strict:
        with pytest.raises(RequestError):
            resolve(index, "lab/old")
        return
    node = resolve(index, "lab/old").node
    assert isinstance(node, Leaf)
    assert (node.declared, node.candidates[0].window) == (known, 1000)
