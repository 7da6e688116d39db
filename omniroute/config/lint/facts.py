"""What a rule may look at: the built config, the tree with its positions, and the world's facts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from omniroute.config.diagnostics import Diagnostic, Path
from omniroute.config.model import Config, Mark, Model, Provider
from omniroute.config.preset import Preset
from omniroute.config.yamltree import Map, Node, find, key_mark, value_mark

Priced = Callable[[Provider, Model | None], bool]
"""Whether a declared model has a price; for None, whether one that the file does not declare can
have one."""


def priced_in_file(_provider: Provider, model: Model | None) -> bool:
    """The prices that the file gives, where there is no catalog."""
    return model is not None and model.price is not None


class LintFacts(Struct, frozen=True, kw_only=True):
    """`config` is built from `valid`; `declared` also holds what the schema refused.

    A rule that says "there is no such name" looks in `declared`, so that one wrong entry does not
    bring a second finding wherever it is named; and stays silent unless `complete`.
    """

    config: Config
    declared: Map
    valid: Map
    complete: bool
    presets: Mapping[str, Preset]
    formats: Collection[str] | None
    priced: Priced
    now: datetime
    exists: Callable[[str], bool]

    def has(self, path: Path) -> bool:
        """Whether the file says anything at `path`, as opposed to a default or a preset."""
        return find(self.valid, path) is not None

    def refused(self, path: Path) -> bool:
        """Whether the file says something at `path` that the schema did not take.

        The built config has a default there, about which a rule should not complain.
        """
        return find(self.declared, path) is not None and not self.has(path)

    def node(self, path: Path) -> Node | None:
        return find(self.valid, path)

    def key_mark(self, path: Path) -> Mark:
        """Where the key (or list item) at `path` stands, or the nearest thing above it."""
        return key_mark(self.valid, path)

    def value_mark(self, path: Path) -> Mark:
        return value_mark(self.valid, path)

    def names(self, section: str) -> tuple[str, ...]:
        """Ids declared in a section, refused entries included."""
        node = self.declared.get(section)
        return tuple(node.entries) if isinstance(node, Map) else ()


Rule = Callable[[LintFacts], Iterator[Diagnostic]]
