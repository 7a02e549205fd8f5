"""When two texts are the same: the one rule for duplicates, decontamination and the ids of rows."""

import re
from hashlib import blake2b

_WORD = re.compile(r"[^\W_]+")


def normalise(text: str) -> str:
    """The text in lower case with every run of white space as one blank."""
    return " ".join(text.lower().split())


def words_of(text: str) -> list[str]:
    """Runs of letters and digits in lower case."""
    return _WORD.findall(text.lower())


def has_letter(letter: str, text: str) -> bool:
    """Whether a letter stands in a text by itself."""
    return re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", text) is not None


def query_id(query: str) -> str:
    """32 hexadecimal digits; equal for queries that are the same once normalised."""
    return _digest(normalise(query))


def row_id(query: str, response: str) -> str:
    """32 hexadecimal digits; equal for rows whose query and response are the same once normalised."""
    # Normalised text holds no line break, so the pair can be read in one way only.
    return _digest(f"{normalise(query)}\n{normalise(response)}")


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
