"""Files: JSON, text and folders that other processes see whole or not at all."""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def to_json(value: Any) -> str:
    """Write JSON that every program reads: numbers that are not finite become text."""
    return json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def write_text(path: Path, text: str) -> None:
    """Write a file so that readers see the old content or the new, nothing between."""
    draft = unused(path.with_name(f".{path.name}"))
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def unused(path: Path) -> Path:
    """Return a path beside `path` that nothing else uses.

    Unlike `tempfile` this leaves permissions to the umask, as a store that several people share needs.
    """
    return path.with_name(f"{path.name}-{uuid.uuid4().hex}")


def sync(path: Path) -> None:
    """Have the file or folder reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
