"""Credentials that were given to the API: each in a file of its own, which the YAML names."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from msgspec import Struct

from omniroute.active.disk import write_atomic
from omniroute.config.model import Ref
from omniroute.config.refs import FileRef, RefSyntaxError, has_refs, parse_refs
from omniroute.errors import RequestError

FOLDER: Final = "secrets"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


class SecretFile(Struct, frozen=True):
    """One of them."""

    path: Path

    @property
    def reference(self) -> str:
        return f"${{file:{self.path}}}"

    def forget(self) -> None:
        """Blocks."""
        self.path.unlink(missing_ok=True)


def keep_secret(data_dir: Path, label: str, credential: str) -> SecretFile | None:
    """Blocks. The credential in a new file, which its owner alone may read; None for a text that
    is a reference already. Raises RequestError (409) where it cannot be written."""
    if has_refs(credential):
        return None
    folder = (data_dir / FOLDER).absolute()
    name = f"{_PLAIN.sub('-', label)}.{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(os.fspath(folder / name), credential.encode(), mode=0o600)
    except OSError as error:
        message = f"the credential cannot be kept: {error.strerror}"
        raise RequestError("conflict", message) from None
    return SecretFile(folder / name)


def kept_secret(data_dir: Path, ref: Ref | None) -> SecretFile | None:
    """The file of ours that a reference names."""
    try:
        parts = () if ref is None else parse_refs(ref.text)
    except RefSyntaxError:
        return None
    match parts:
        case (FileRef(path=path),) if Path(path).parent == (data_dir / FOLDER).absolute():
            return SecretFile(Path(path))
        case _:
            return None
