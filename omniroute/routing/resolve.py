"""From the name that a client wrote to what it stands for, and whether its key may use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from omniroute.base.similar import similar_names
from omniroute.config.model import ModelKind
from omniroute.config.names import ToCombo, compile_globs, find_name, split_provider
from omniroute.errors import RequestError
from omniroute.routing.index import ModelIndex, find_leaf
from omniroute.routing.values import Branch, Leaf, Resolved


class Listed(Struct, frozen=True, kw_only=True):
    """One row of a models list; for a combo what every target that is known can do."""

    id: str
    kind: ModelKind
    owned_by: str
    """The provider, or `combo`."""
    target: str | None = None
    """What an alias stands for."""
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None


def resolve(index: ModelIndex, requested: str, globs: Sequence[str] = ()) -> Resolved:
    """What `requested` stands for, if a key with these model globs may use it.

    Raises RequestError: not_found with a suggestion, invalid_request naming the providers when a
    bare model is ambiguous, permission when the key does not list it.
    """
    meaning = find_name(index.names, requested)
    if meaning is None:
        raise _unknown(index, requested, globs)
    node: Leaf | Branch
    if isinstance(meaning, ToCombo):
        name, node = meaning.combo, index.combos[meaning.combo]
    else:
        node = find_leaf(index, meaning)
        name = node.id
    resolved = Resolved(requested=requested, id=name, node=node, via=meaning.via)
    if not allowed(index, globs, resolved):
        raise RequestError(
            "permission",
            f'this API key may not use the model "{requested}"',
            param="model",
            code="model_not_allowed",
        )
    return resolved


def resolve_for_provider(
    index: ModelIndex, provider: str, requested: str, globs: Sequence[str] = ()
) -> Resolved:
    """`/v1/providers/[provider]/…`: the prefix is added when absent, another's model is a 400.

    Aliases and combos have no meaning here: the path already says where the request goes. The
    prefix is tried first, because a provider's own ids may contain slashes.
    """
    if provider not in index.config.providers:
        hint = _did_you_mean(provider, index.config.providers)
        raise RequestError("not_found", f'there is no provider "{provider}"{hint}')
    owner, model = split_provider(index.config, requested)
    full = f"{provider}/{requested}"
    if full not in index.leaves and owner is not None:
        if owner.id != provider:
            raise RequestError(
                "invalid_request",
                f'"{requested}" is a model of provider "{owner.id}", not of "{provider}"',
                param="model",
            )
        full = f"{provider}/{model}"
    return resolve(index, full, globs)


def allowed(index: ModelIndex, globs: Sequence[str], resolved: Resolved) -> bool:
    """Whether a key's globs cover a request. No globs: everything.

    A glob covers a request when it matches one of its names:
    - the id that it resolves to: `provider/model`, or the combo's name. A combo that is covered
      may use all its targets, also those that the key could not ask for directly;
    - every alias on the way, unless its name lies in a provider's namespace (`openai/x` pointing
      to another provider must not be let through by `openai/*`);
    - the model without its provider, where that name is unambiguous.
    """
    if not globs:
        return True
    names = [resolved.id]
    names += [hop.name for hop in resolved.via if split_provider(index.config, hop.name)[0] is None]
    if isinstance(resolved.node, Leaf):
        provider = resolved.node.provider
        model = resolved.id.removeprefix(f"{provider.id}/")
        owners = index.names.bare.get(model, ())
        if len(owners) == 1 and owners[0].id == provider.id:
            names.append(model)
    covers = compile_globs(tuple(globs)).fullmatch
    return any(covers(name) is not None for name in names)


def list_models(index: ModelIndex, globs: Sequence[str] = ()) -> tuple[Listed, ...]:
    """What a key may ask for: combos, exact aliases, then models, each in the order of the file.

    Models whose connections are all disabled are left out, and so are combos made only of them.
    """
    return tuple(row for row in _every_row(index) if _may_list(index, globs, row.id))


def _may_list(index: ModelIndex, globs: Sequence[str], name: str) -> bool:
    try:
        resolve(index, name, globs)
    except RequestError:
        return False
    return True


def _every_row(index: ModelIndex) -> Iterator[Listed]:
    for name, branch in index.combos.items():
        if any(_usable(leaf) for leaf in leaves_of(branch)):
            yield _row(name, branch, owned_by="combo")
    for name in index.names.aliases:
        meaning = find_name(index.names, name)
        if meaning is None:
            continue
        node: Leaf | Branch
        if isinstance(meaning, ToCombo):
            node = index.combos[meaning.combo]
        else:
            node = find_leaf(index, meaning)
        if any(_usable(leaf) for leaf in leaves_of(node)):
            owner = node.provider.id if isinstance(node, Leaf) else "combo"
            target = node.id if isinstance(node, Leaf) else node.combo.id
            yield _row(name, node, owned_by=owner, target=target)
    for leaf in index.leaves.values():
        if _usable(leaf):
            yield _row(leaf.id, leaf, owned_by=leaf.provider.id)


def _row(
    name: str,
    node: Leaf | Branch,
    *,
    owned_by: str,
    target: str | None = None,
) -> Listed:
    models = [leaf.declared for leaf in leaves_of(node) if leaf.declared is not None]
    windows = [model.context_window for model in models if model.context_window is not None]
    outputs = [model.max_output_tokens for model in models if model.max_output_tokens is not None]
    known = [model.capabilities for model in models if model.capabilities is not None]
    capabilities = {capability for some in known for capability in some}
    return Listed(
        id=name,
        kind=models[0].kind if models else "chat",
        owned_by=owned_by,
        target=target,
        context_window=max(windows, default=None),
        max_output_tokens=max(outputs, default=None),
        capabilities=tuple(sorted(capabilities)) if known else None,
    )


def leaves_of(node: Leaf | Branch) -> Iterator[Leaf]:
    """Every model below a node, in the order declared; one that is named twice comes twice."""
    if isinstance(node, Leaf):
        yield node
        return
    for child in node.children:
        yield from leaves_of(child.node)


def _usable(leaf: Leaf) -> bool:
    return any(candidate.unavailable is None for candidate in leaf.candidates)


def _unknown(index: ModelIndex, requested: str, globs: Sequence[str]) -> RequestError:
    owners = index.names.bare.get(requested, ())
    ids = [f"{provider.id}/{requested}" for provider in owners]
    visible = [name for name in ids if _may_list(index, globs, name)]
    if len(visible) > 1:
        choices = ", ".join(visible)
        return RequestError(
            "invalid_request",
            f'"{requested}" is offered by several providers; ask for one of: {choices}',
            param="model",
            code="model_ambiguous",
        )
    hint = _did_you_mean(requested, [row.id for row in list_models(index, globs)])
    return RequestError(
        "not_found",
        f'the model "{requested}" does not exist{hint}',
        param="model",
        code="model_not_found",
    )


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    """Close names, judged with and without the provider's prefix; empty when none is close."""
    names = list(known)
    close = similar_names(name, names, 3)
    if not close:
        tails = {full.rpartition("/")[2]: full for full in names}
        close = [tails[tail] for tail in similar_names(name, tails, 3)]
    return "; did you mean " + " or ".join(f'"{one}"' for one in close) + "?" if close else ""
