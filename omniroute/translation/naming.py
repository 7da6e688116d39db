"""Names of models on their way to a provider: what may be one, and what may stand in a path."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from omniroute.base.dots import has_dot_segment
from omniroute.errors import TranslationError

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENDS_A_PATH: Final = re.compile(r"[?#%\\]")


def check_model(name: str | None) -> None:
    """Raises TranslationError for a name that no model has: dot segments, control characters."""
    if name is not None and (has_dot_segment(name) or _CONTROL.search(name)):
        raise TranslationError("model holds a dot segment or a control character", param="model")


def path_with(path: str, model: str) -> str:
    """A table's path with the model's name for `{model}`.

    Raises TranslationError where the name would make another path of it.
    """
    if "{model}" not in path:
        return path
    check_model(model)
    if _ENDS_A_PATH.search(model):
        raise TranslationError("model holds one of ? # % \\, and stands in a path", param="model")
    return path.replace("{model}", quote(model, safe="/:@"))
