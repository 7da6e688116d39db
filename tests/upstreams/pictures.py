"""Pictures of the fake providers: made of the prompt alone, so that all of them give the same."""

from __future__ import annotations

import base64


def picture(prompt: str) -> str:
    """The beginning of a PNG, and the prompt."""
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + prompt.encode()).decode()
