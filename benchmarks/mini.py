"""The miniature study from nothing: wall time, CPU time by kind of artifact, peak memory of all processes.

    python benchmarks/mini.py [EXPERIMENT] [OVERRIDE ...]

Beside it, from the same run, what the same artifacts would cost with a process of its own for each, as a
shell loop or one job per cell has it: every process would pay for the imports once more.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

EVERY = 0.5


def tree_memory(root: psutil.Process) -> int:
    """Memory of a process and all below it that each has for itself, in bytes."""
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total


def seconds_to_import() -> float:
    """CPU seconds that a stage process needs before it can train."""
    code = "import experiments.train, experiments.generate, time; print(time.process_time())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(ran.stdout)


def main() -> None:
    """Run, sample, sum up."""
    experiment, *overrides = sys.argv[1:] or ["mini"]
    with tempfile.TemporaryDirectory() as folder:
        begun, peak = time.monotonic(), 0
        command = [sys.executable, "-m", "orchestrator", "run", f"experiment={experiment}"]
        command += [*overrides, f"outputs={folder}"]
        with subprocess.Popen(command) as run:
            root = psutil.Process(run.pid)
            while run.poll() is None:
                try:
                    peak = max(peak, tree_memory(root))
                except psutil.NoSuchProcess:
                    break
                time.sleep(EVERY)
        wall = time.monotonic() - begun
        again = time.monotonic()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        again = time.monotonic() - again
        show(Path(folder), wall, peak, again)


def show(outputs: Path, wall: float, peak: int, again: float) -> None:
    """Print the figures."""
    cpu: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for path in outputs.glob("artifacts/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        cpu[manifest["kind"]] += manifest["provenance"]["cpu_seconds"]
        count[manifest["kind"]] += 1
    for kind in cpu:
        print(f"{kind:<12}{count[kind]:>5} made, {cpu[kind]:8.1f} CPU s")
    imports = seconds_to_import()
    heavy = count["base"] + count["checkpoint"] + count["completions"]
    ours = sum(cpu.values())
    print(f"wall {wall:.0f} s; CPU of all stages {ours:.0f} s; peak memory {peak / 1e9:.2f} GB")
    print(f"run again on the finished study: {again:.1f} s")
    print(
        f"one process per artifact: {heavy} x {imports:.1f} s of imports more, "
        f"{(ours + heavy * imports) / ours:.2f} x the CPU time"
    )


if __name__ == "__main__":
    main()
