"""What a large pool takes, from table to subset: `python benchmarks/pools.py GSM8K_FOLDER [ROWS]`.

Every step runs in a process of its own, so that its memory is its own.
"""

import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.near import N_WORDS, near_duplicates
from experiments.pool import make_pool
from experiments.poolrows import PoolRows
from experiments.resume import Resumption
from experiments.sources import inspect
from experiments.subset import TEXTS, nested
from experiments.text import words_of

COLUMNS = {"query": "q", "response": "r", "source": "s"}
THRESHOLD = 0.7
CHANGED = 0.3  # of the words of a problem, to make another one of it
SAMPLE = 50_000  # queries that are compared exactly, too


def main(gsm8k: Path, n_rows: int) -> None:
    """Make a pool of so many rows over GSM8K's problems, and open subsets of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(gsm8k / "train.jsonl", folder / "rows.jsonl", n_rows)
        for step in (read, make, compare, recall, draw, open_subsets):
            process = multiprocessing.get_context("spawn").Process(target=timed, args=(step, folder))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(process.exitcode)


def timed(step: Callable[[Path], Any], folder: Path) -> None:
    """Print what a step does, how long it takes, and the most memory that its process had."""
    begun, cpu = time.monotonic(), time.process_time()
    found = step(folder)
    wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{step.__doc__}\n  {wall:.1f} s, {cpu:.1f} CPU s, at most {memory:.2f} GiB: {found}", flush=True)


def read(folder: Path) -> dict[str, Any]:
    """Reading the table, as a plan does."""
    return inspect(place_of(folder), None)


def make(folder: Path) -> dict[str, Any]:
    """Making the pool, near-duplicates left out and solutions checked."""
    place = place_of(folder)
    source = {"kind": "table", "digest": inspect(place, None)["digest"], **COLUMNS}
    filters = {"near_duplicates": THRESHOLD, "answer": "gsm8k", "equations": True}
    strategy = {"kind": "table", "name": "large", "source": source, "filters": filters}
    spec = {"version": 1, "seed": source, "strategy": strategy, "decontaminate": []}
    state = Resumption(folder / "state", 60.0)
    return make_pool(spec, {}, folder, lambda done, note: None, {source["digest"]: place}, state)


def compare(folder: Path) -> int:
    """Near-duplicates alone."""
    return int(near_duplicates(queries(folder), THRESHOLD).sum())


def recall(folder: Path) -> str:
    """Near-duplicates of a sample, held against an exact comparison."""
    texts = list(islice(queries(folder), SAMPLE))
    begun = time.process_time()
    found = near_duplicates(texts, THRESHOLD)
    ours, begun = time.process_time() - begun, time.process_time()
    exact = exactly(texts)
    theirs = time.process_time() - begun
    both = int((found & exact).sum())
    share = f"{both / max(int(exact.sum()), 1):.3%} of {exact.sum():,} found, {found.sum() - both} others"
    return f"{share}; {ours:.1f} CPU s, exactly {theirs:.1f}"


def draw(folder: Path) -> str:
    """The nested order, by examples and by queries."""
    begun = time.process_time()
    size = nested(PoolRows(folder / "pool.parquet"), "breadth", "examples", 0).size
    examples, begun = time.process_time() - begun, time.process_time()
    nested(PoolRows(folder / "pool.parquet"), "breadth", "queries", 0)
    return f"{size:,} rows; {examples:.1f} and {time.process_time() - begun:.1f} CPU s"


def open_subsets(folder: Path) -> str:
    """Subsets of several amounts, with all their texts, once the order is drawn."""
    pool = PoolRows(folder / "pool.parquet")
    drawn = nested(pool, "breadth", "examples", 0)
    found = []
    for n in (1_000, drawn.size // 10, drawn.size):
        begun = time.monotonic()
        rows = pool.select(TEXTS).take(pa.array(drawn.prefix(n)))
        found.append(f"{len(rows):,} rows {time.monotonic() - begun:.2f} s")
    return ", ".join(found)


def place_of(folder: Path) -> dict[str, Any]:
    """Where the table lies."""
    return {"kind": "table", "path": str(folder / "rows.jsonl"), "split": "train", **COLUMNS}


def queries(folder: Path) -> Iterator[str]:
    """Those of the table, one by one."""
    with (folder / "rows.jsonl").open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["q"]


def write_table(given: Path, path: Path, n_rows: int) -> None:
    """GSM8K's problems in turn with many words replaced; every tenth is an earlier one with one replaced."""
    problems = [json.loads(line) for line in given.read_text(encoding="utf-8").splitlines()]
    words = sorted({word for problem in problems for word in problem["question"].split()})
    chance, earlier = random.Random(0), []
    with path.open("w", encoding="utf-8") as file:
        for row, problem in enumerate(islice(cycle(problems), n_rows)):
            query = problem["question"].split()
            if row % 10 == 9:
                query = chance.choice(earlier).split()
                query[chance.randrange(len(query))] = chance.choice(words)
            else:
                query = [chance.choice(words) if chance.random() < CHANGED else word for word in query]
            earlier.append(" ".join(query))
            fields = {"q": earlier[-1], "r": problem["answer"], "s": f"seed-{row % len(problems)}"}
            file.write(json.dumps(fields) + "\n")


def exactly(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Each text compared with every kept one that shares an n-gram, by an inverted index."""
    index: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes, flags = [], np.zeros(len(texts), dtype=np.bool_)
    for number, text in enumerate(texts):
        words = words_of(text)
        mine = {tuple(words[start : start + N_WORDS]) for start in range(max(len(words) - N_WORDS, 0) + 1)}
        sizes.append(len(mine))
        shared = Counter(other for gram in mine for other in index[gram])
        flags[number] = any(n >= THRESHOLD * (len(mine) + sizes[other] - n) for other, n in shared.items())
        if not flags[number]:
            for gram in mine:
                index[gram].append(number)
    return flags


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
