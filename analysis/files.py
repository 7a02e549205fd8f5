"""Files of bytes, written aside and then put in place, as `orchestrator.files` does for text."""

import io
import os
import secrets
from pathlib import Path

import pandas as pd


def write_bytes(path: Path, content: bytes) -> None:
    """Write the file and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def parquet(table: pd.DataFrame) -> bytes:
    """The table as a Parquet file."""
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()
