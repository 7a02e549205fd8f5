"""How long the nested order of a large pool takes: `python benchmarks/order.py [ROWS]`."""

import resource
import sys
import time
from hashlib import blake2b
from itertools import product

import pyarrow as pa

from experiments.subset import select


def main(n_rows: int) -> None:
    """Select a fifth of a pool of so many rows over 7,473 sources, four rows a query."""
    pool = pa.table(
        {
            "row_id": [blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(n_rows)],
            "source_id": [f"seed-{row % 7473:05d}" for row in range(n_rows)],
            "query": [f"a question of some length, number {row // 4}" for row in range(n_rows)],
            "response": ["a solution of some length"] * n_rows,
        }
    )
    for unit, order in product(("examples", "queries"), ("breadth", "rows", "grouped")):
        begun = time.process_time()
        select(pool, None, {"n": n_rows // 5, "unit": unit, "order": order, "seed": 0})
        print(f"{order} by {unit}: {time.process_time() - begun:.1f} CPU s for {n_rows:,} rows")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.1f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
