"""What a trunk saves: `python benchmarks/trunk.py`.

The tokens of two plans with and without sharing; then the smaller one is run both ways, with a base that has
read little, and the weights are compared bit for bit.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FIVE = ("amount=64,128,256,512,1024",)
NINE = ("amount=64,90,128,181,256,362,512,724,1024",)
STUDY = ("experiment=mini", "train=mini_trunk", "strategy=queries", "seed=0", "evaluate=[mini_test]")
STUDY += ("hydra.sweeper.also=[]",)  # without the reference lines, which share nothing
# Few items and little pretraining: only the training is looked at.
SMALL = ("model.pretrain.tokens=20000", "evaluate.benchmarks.mini_test.source.n_items=20")
ALONE = "train.trunk.shared=false"


def doublings(verb: str, *overrides: str) -> str:
    """What a verb prints."""
    command = [sys.executable, "-m", "orchestrator", verb, *STUDY, *SMALL, *overrides]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def planned_tokens(*overrides: str) -> int:
    """Of all training of a plan that begins with nothing."""
    with tempfile.TemporaryDirectory() as outputs:
        plan = json.loads(doublings("plan", "format=json", f"outputs={outputs}", *overrides))
    kinds = ("trunk", "checkpoint")
    return sum(one["cost"]["tokens"] for one in plan["artifacts"].values() if one["kind"] in kinds)


def trained(outputs: Path) -> Iterator[dict[str, Any]]:
    """The manifests of what was trained."""
    for kind in ("trunk", "checkpoint"):
        for path in outputs.glob(f"artifacts/{kind}/*/manifest.json"):
            yield json.loads(path.read_text())


def read_tokens(manifests: Mapping[str, Mapping[str, Any]]) -> int:
    """Really read: what a trunk had read before something went on from it counts once."""
    total = 0
    for manifest in manifests.values():
        before = manifest["inputs"].get("trunk")
        taken_over = manifests[before]["summary"]["n_read"] if before else 0
        total += manifest["summary"]["n_read"] - taken_over
    return total


def run(outputs: Path, *overrides: str) -> dict[str, dict[str, Any]]:
    """Run the smaller study; the manifests of its trainings, by key."""
    doublings("run", *FIVE, "cluster.workers=1", f"outputs={outputs}", *overrides)
    return {manifest["key"]: manifest for manifest in trained(outputs)}


def weights(manifests: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    """By amount."""
    checkpoints = [one for one in manifests.values() if one["kind"] == "checkpoint"]
    return {one["spec"]["subset"]["n"]: one["files"]["model.safetensors"]["sha256"] for one in checkpoints}


def seconds(manifests: Mapping[str, Mapping[str, Any]]) -> float:
    """Wall time of the trainings."""
    return sum(float(one["provenance"]["seconds"]) for one in manifests.values())


def main() -> None:
    """Print what RESULTS.md has."""
    for name, amounts in (("5 amounts, ratio 2", FIVE), ("9 amounts, ratio sqrt 2", NINE)):
        shared, alone = planned_tokens(*amounts), planned_tokens(*amounts, ALONE)
        print(f"{name}: {shared:,} tokens and {alone:,} alone, planned: {1 - shared / alone:.1%} fewer")
    with tempfile.TemporaryDirectory() as place:
        os.environ["TMPDIR"] = place  # slots of its own
        shared_run, alone_run = run(Path(place) / "shared"), run(Path(place) / "alone", ALONE)
        logs = "".join(path.read_text() for path in Path(place).glob("shared/studies/*/jobs/*/worker-*.log"))
    one, other = read_tokens(shared_run), read_tokens(alone_run)
    print(f"5 amounts, run: {one:,} tokens and {other:,} alone: {1 - one / other:.1%} fewer")
    print(f"seconds of training: {seconds(shared_run):.1f} and {seconds(alone_run):.1f}")
    print(f"went on from a trunk: {len(re.findall('goes on after step', logs))} trainings")
    print(f"weights equal bit for bit: {weights(shared_run) == weights(alone_run)}")


if __name__ == "__main__":
    main()
