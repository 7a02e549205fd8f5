"""Input that is turned down before anything is written."""

import difflib
from collections.abc import Iterable


class Refused(Exception):
    """One sentence naming the value, the place and the remedy; a command ends with exit code 2."""


def offer(name: str, allowed: Iterable[str]) -> str:
    """The part of such a sentence that says what may stand in place of a name, and which was meant."""
    known = sorted(allowed)
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]}? " if near else "") + f"allowed: {', '.join(known) or 'nothing'}"
