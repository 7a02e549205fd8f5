"""What a large pool takes, from table to subset: `python benchmarks/pools.py [ROWS [NEAR_DUPLICATES]]`."""

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from experiments.pool import make_pool
from experiments.resume import Resumption
from experiments.sources import inspect
from experiments.subset import select

WORDS = [start + end for start in ("ba", "ke", "li", "mo", "nu", "pa", "re", "si", "to") for end in "nrstmlx"]
COLUMNS = {"query": "q", "response": "r", "source": "s"}


def main(n_rows: int, near_duplicates: float | None) -> None:
    """Make a pool of so many rows over 7,473 sources, and select a fifth and all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "rows.jsonl", n_rows)
        place = {"kind": "table", "path": str(folder / "rows.jsonl"), "split": "train", **COLUMNS}
        with timed("reading the table, as a plan does"):
            digest = inspect(place, None)["digest"]
        source = {"kind": "table", "digest": digest, **COLUMNS}
        strategy = {"kind": "table", "name": "large", "source": source}
        strategy["filters"] = {"near_duplicates": near_duplicates, "answer": "gsm8k", "equations": True}
        spec = {"version": 1, "seed": source, "strategy": strategy, "decontaminate": []}
        with timed("making the pool"):
            summary = make_pool(
                spec, {}, folder, lambda done, note: None, {digest: place}, Resumption(folder / "state", 60.0)
            )
        print(summary)
        with timed("reading the pool"):
            pool = pq.read_table(folder / "pool.parquet")
        for amount in (summary["n_rows"] // 5, summary["n_rows"]):
            with timed(f"nested order, {amount:,} rows"):
                subset = select(pool, None, {"n": amount, "unit": "examples", "order": "breadth", "seed": 0})
            pq.write_table(subset, folder / "subset.parquet")
            with timed(f"opening a subset of {amount:,} rows"):
                pq.read_table(folder / "subset.parquet")


def write_table(path: Path, n_rows: int) -> None:
    """Rows of some 50 words; every tenth query is an earlier one with a word or two replaced."""
    chance = random.Random(0)
    earlier: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        for row in range(n_rows):
            words = chance.choices(WORDS, k=50)
            if row % 10 == 9:
                words = chance.choice(earlier).split()
                words[chance.randrange(len(words))] = "another"
            query = " ".join(words)
            if len(earlier) < 1000:
                earlier.append(query)
            one, other = chance.randint(2, 99), chance.randint(2, 99)
            response = f"That is {one}*{other}=<<{one}*{other}={one * other}>>. {query}\n#### {one * other}"
            file.write(json.dumps({"q": query, "r": response, "s": f"seed-{row % 7473}"}) + "\n")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took, and the most memory that this process has had so far."""
    begun = time.process_time()
    yield
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{what}: {time.process_time() - begun:.1f} CPU s, at most {memory:.2f} GiB so far", flush=True)


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    main(int(given[0]) if given else 1_000_000, given[1] if len(given) > 1 else None)
