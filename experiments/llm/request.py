"""One question to a model, by its item and its text, and the answer."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.strategies import ChatPrompt, Generator

# English in the vocabularies of current models; for budgets and estimates only.
CHARACTERS_PER_TOKEN = 3.5


@dataclass(frozen=True)
class Request:
    """What is asked for one item; the item names it for good, whatever else is asked."""

    item: str
    prompt: ChatPrompt
    generator: Generator
    query: str
    solution: str

    @cached_property
    def body(self) -> dict[str, Any]:
        """In the form of OpenAI's chat completions."""
        fields = {"{query}": self.query, "{solution}": self.solution}
        # In one go: what looks like a field in a problem stays as it is.
        user = re.sub(r"\{(?:query|solution)\}", lambda found: fields[found[0]], self.prompt.user)
        return {
            "model": self.generator.model,
            "messages": [
                {"role": "system", "content": self.prompt.system},
                {"role": "user", "content": user},
            ],
            "temperature": self.generator.temperature,
            "top_p": self.generator.top_p,
            "max_tokens": self.generator.max_tokens,
            "seed": self.seed,
        }

    @property
    def seed(self) -> int:
        """Depends on the generator's seed and the item alone."""
        digest = hashlib.blake2b(f"{self.generator.seed}/{self.item}".encode(), digest_size=4).digest()
        return int.from_bytes(digest) >> 1

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of all that is sent."""
        text = json.dumps(self.body, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def most_tokens(self) -> tuple[int, int]:
        """About how many tokens are read, and how many may be written."""
        n_characters = sum(len(message["content"]) for message in self.body["messages"])
        return round(n_characters / CHARACTERS_PER_TOKEN), self.generator.max_tokens


@dataclass(frozen=True)
class Answer:
    """What came back; `finish_reason` is the server's, or `rejected` for what it would not answer."""

    text: str
    finish_reason: str
    n_read: int
    n_written: int


def n_requests(strategy: Mapping[str, Any], n_problems: int) -> tuple[int, int]:
    """How many new queries and how many responses a strategy asks for, given as in a spec; at most."""
    n_given = n_problems * (strategy.get("masked") or {"numbers": 1})["numbers"]
    n_queries = n_given * len(strategy.get("prompts", ())) * strategy.get("rounds", 1)
    return n_queries, (n_queries or n_given) * strategy["paths"]


def price(tokens: tuple[int, int], dollars_per_million: tuple[float, float]) -> float:
    """In dollars, of tokens read and written."""
    return sum(n * rate for n, rate in zip(tokens, dollars_per_million, strict=True)) / 1e6


def answer_in(reply: Mapping[str, Any]) -> Answer:
    """The answer in a reply. Raises KeyError, IndexError, TypeError or ValueError where it holds none."""
    choice, usage = reply["choices"][0], reply.get("usage") or {}
    text = choice["message"]["content"]
    if not isinstance(text, str):
        raise TypeError("the content is no text")
    n_read, n_written = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
    return Answer(text, str(choice.get("finish_reason")), n_read, n_written)
