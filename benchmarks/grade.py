"""How long `doublings grade` takes, beside math-verify alone on the same answers.

python benchmarks/grade.py FOLDER    # with gsm8k/test.jsonl and math/test.jsonl as published
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from multiprocessing import Pool
from pathlib import Path
from typing import Any

N_GSM8K = 100_000
# Answers that math-verify alone judges; its pace does not change with their number.
SAMPLE = 1_000
PROCESSES = 2


def main() -> None:
    """Prints one line per measurement."""
    folder = Path(sys.argv[1])
    gsm8k = [(row["answer"], row["answer"]) for row in lines(folder / "gsm8k" / "test.jsonl")]
    math = [(respelt(row["solution"]), row["solution"]) for row in lines(folder / "math" / "test.jsonl")]
    with tempfile.TemporaryDirectory() as place:
        many = [gsm8k[index % len(gsm8k)] for index in range(N_GSM8K)]
        measure("gsm8k", "half right", mixed(many, 0.5), Path(place))
        for name, share in (("all right", 1.0), ("half right", 0.5), ("none right", 0.0)):
            measure("math", name, mixed(math, share), Path(place))
    alone = mixed(math, 0.5)[:SAMPLE]
    with Pool(PROCESSES) as pool:
        pool.map(by_math_verify, alone[:PROCESSES])
        begun = time.perf_counter()
        pool.map(by_math_verify, alone, chunksize=50)
        seconds = time.perf_counter() - begun
    print(f"math-verify alone, half right, {PROCESSES} processes: {len(alone) / seconds:,.0f} answers/s")


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def respelt(solution: str) -> str:
    """The same solution as another author would have set it."""
    return solution.replace("\\frac", "\\dfrac").replace("\\left", "").replace("\\right", "")


def mixed(pairs: list[tuple[str, str]], share: float) -> list[tuple[str, str]]:
    """Completions and references, of which so large a share belongs together."""
    draw = random.Random(0)
    return [
        (completion if draw.random() < share else draw.choice(pairs)[0], reference)
        for completion, reference in pairs
    ]


def measure(benchmark: str, name: str, pairs: list[tuple[str, str]], place: Path) -> None:
    """The whole command, from the start of Python to the last line written."""
    path = place / "answers.jsonl"
    path.write_text(
        "\n".join(json.dumps({"completion": one, "reference": other}) for one, other in pairs),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "orchestrator", "grade", str(path), "--benchmark", benchmark, "--json"]
    begun, spent = time.perf_counter(), cpu_seconds()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begun
    reasons = Counter(json.loads(line)["reason"] for line in ran.stdout.splitlines())
    cpu = cpu_seconds() - spent
    print(
        f"{benchmark}, {name}: {len(pairs):,} in {seconds:.1f} s ({cpu:.1f} s of CPU time), {dict(reasons)}"
    )


def cpu_seconds() -> float:
    """Of all processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_math_verify(pair: tuple[str, str]) -> bool:
    """What its documentation says to do with a completion and a full solution."""
    from math_verify import parse, verify  # noqa: PLC0415 - a second, and only this one way needs it

    found: bool = verify(parse(pair[1]), parse(pair[0]))
    return found


if __name__ == "__main__":
    main()
