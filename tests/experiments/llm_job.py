"""A pool that a model writes: six seed problems, and what a sane model says of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from experiments.pool import make_pool
from experiments.resume import Resumption
from experiments.sources import inspect

SEEDS = [
    (f"Ann has {n} pens and buys 5. How many has she?", f"{n}+5=<<{n}+5={n + 5}>>{n + 5}\n#### {n + 5}")
    for n in range(10, 16)
]
GENERATOR = {"model": "m", "revision": "r1", "temperature": 0.5, "top_p": 1.0, "max_tokens": 64, "seed": 3}
PROMPT = {"system": "You write.", "user": "Write {query} anew."}
SOLVE = {"system": "You solve.", "user": "Solve {query}"}


def say(body: dict[str, Any]) -> str:
    """What a sane model would: a new problem, or a solution with its sum."""
    system, user = (message["content"] for message in body["messages"])
    if system == "You write.":
        query = user.removeprefix("Write ").removesuffix(" anew.")
        return f"Sure.\nNew problem: {query} Think of {body['seed']}."
    number = int(user.split()[3])
    return f"So {number}+5=<<{number}+5={number + 5}>>{number + 5}, draft {body['seed']}.\n#### {number + 5}"


class Job:
    """A pool to be made of six seed problems, or of others."""

    def __init__(
        self,
        folder: Path,
        url: str,
        server: dict[str, Any] | None = None,
        seeds: Sequence[tuple[str, str]] = SEEDS,
        **changes: Any,
    ) -> None:
        self.folder = folder
        table = folder / "seed.jsonl"
        table.write_text("".join(json.dumps({"q": q, "r": r}) + "\n" for q, r in seeds))
        place = {"kind": "table", "path": str(table), "split": "train", "query": "q", "response": "r"}
        digest = inspect(place, None)["digest"]
        strategy = {
            "kind": "llm",
            "name": "written",
            "prompts": {"numbers": PROMPT, "complexity": PROMPT},
            "rounds": 1,
            "paths": 2,
            "writer": GENERATOR,
            "solver": GENERATOR,
            "solve": SOLVE,
            "answer": "gsm8k",
            "agreement": 0.0,
            "gold": False,
            "filters": {},
        }
        self.spec = {
            "version": 1,
            "seed": {"kind": "table", "digest": digest, "query": "q", "response": "r", "source": None},
            "strategy": {**strategy, **changes},
            "decontaminate": [],
        }
        asked = {"url": url, "key": "A_KEY", "concurrency": 4, "timeout": 0.5, "tries": 6}
        free = {"budget_tokens": None, "budget_dollars": None, "dollars_per_million": [1.0, 2.0]}
        self.places = {digest: place, "server": {**asked, **free, **(server or {})}}

    def make(
        self, name: str = "made", resumption: Resumption | None = None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        into = self.folder / name
        into.mkdir()
        resumption = resumption or Resumption(self.folder / "state", 60.0)
        summary = make_pool(self.spec, {}, into, lambda done, note: None, self.places, resumption)
        return summary, pq.read_table(into / "pool.parquet").to_pylist()
