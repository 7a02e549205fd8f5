"""The tiny study on the cluster: started, looked at, and compared with a run that nobody disturbed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator import slurm
from orchestrator.driver import drivers
from orchestrator.study import StudyFolder
from orchestrator.submissions import PREFIX
from slurm_daemons import wait_until
from tests.outcome import made, manifests, records
from tests.tiny import ROOT, command, environment

# Four cells of seconds, and two that train long enough to be disturbed.
SHORT = ("strategy=queries", "strategy.rows=32", "amount=4,8", "seed=0,1")
_ONE = ("strategy=queries", "strategy.rows=32", "amount=8")
LONG = (*_ONE, "seed=0,1", "train.budget.value=500")
ONE_LONG = (*_ONE, "seed=0", "train.budget.value=500")
ONE_VERY_LONG = (*_ONE, "seed=0", "train.budget.value=2000")
# One job for each cell, watched by whoever has started the run.
ON_SLURM = (
    "cluster=slurm",
    "cluster.target_minutes=0.001",
    "cluster.resources.memory_gib=1",
    "cluster.save_every=0.5",
    "cluster.driver=null",
    "wait=true",
)
# Jobs wait until they are released.
HELD = "+cluster.sbatch.hold=true"
# A node for each job.
EXCLUSIVE = "+cluster.sbatch.exclusive=true"


class Study:
    """One study in a folder of its own."""

    def __init__(self, place: Path, undisturbed: Path, *made_before: str) -> None:
        """Artifacts of the kinds in `made_before` are there already."""
        self.place = place
        self.undisturbed = undisturbed
        self.outputs = place / "outputs"
        self.root = ROOT  # the code that runs
        self.shims = place / "bin"
        self.shims.mkdir()
        self._started: list[subprocess.Popen[str]] = []
        for kind in made_before:
            shutil.copytree(undisturbed / "artifacts" / kind, self.outputs / "artifacts" / kind)
        self._before = set(manifests(self.outputs))

    def shim(self, name: str, does: str) -> None:
        """Put shell code before a command of Slurm, for whatever this study starts; $real is the command."""
        shim = self.shims / name
        shim.write_text(f"#!/bin/bash\nreal={shutil.which(name)}\n{does}\n")
        shim.chmod(0o755)

    def start(self, *overrides: str) -> "subprocess.Popen[str]":
        """`run` on Slurm, not waited for."""
        by_key = {override.partition("=")[0]: override for override in (*ON_SLURM, *overrides)}
        run = self._popen(command("run", self.outputs, *by_key.values()))
        self._started.append(run)
        return run

    def run(self, *overrides: str, timeout: float = 240) -> str:
        """`run` on Slurm to its end, which is a good one; what it said."""
        return self.finish(self.start(*overrides), timeout)

    def finish(self, run: "subprocess.Popen[str]", timeout: float = 240) -> str:
        """Wait for a run to end, well; what it said."""
        text = run.communicate(timeout=timeout)[0]
        assert run.returncode == 0, f"{text}\n{self.logs()}"
        return text

    def verb(self, verb: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another verb on the study."""
        line = [
            sys.executable,
            "-m",
            "orchestrator",
            verb,
            "tiny",
            *arguments,
            "--outputs",
            str(self.outputs),
        ]
        run = self._popen(line)
        out = run.communicate(timeout=120)[0]
        return subprocess.CompletedProcess(line, run.returncode, out)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        told: dict[str, Any] = json.loads(self.verb("status", "--json").stdout)
        return told

    def same_as_undisturbed(self, n_records: int) -> None:
        """Everything is there, made once, and equal bit for bit to what an undisturbed run made."""
        there, wanted = records(self.outputs), records(self.undisturbed)
        assert len(there) == n_records
        assert there == {key: wanted[key] for key in there}
        assert sorted(made(self.outputs)) == sorted(manifests(self.outputs).keys() - self._before)
        unfinished = [path for path in self.outputs.glob("artifacts/*/.*") if path.parent.name != "artifacts"]
        assert not unfinished

    def submissions(self) -> list[Path]:
        """Folders of the arrays that were submitted, oldest first."""
        return sorted(
            (path.parent for path in self.outputs.glob("studies/tiny/jobs/*/*/about.json")),
            key=lambda path: path.name,
        )

    def attempts(self) -> list[dict[str, Any]]:
        """All tries that went wrong with what is still unmade."""
        files = self.outputs.glob("artifacts/.attempts/*.json")
        return [attempt for file in files for attempt in json.loads(file.read_text())]

    def queued(self) -> list[slurm.Entry]:
        """Whatever Slurm still has of this study, drivers included."""
        entries = [entry for entry in slurm.queue() if entry.live]
        names = {f"{PREFIX}{path.name}" for path in self.submissions()}
        looking_after = drivers(StudyFolder(self.outputs, "tiny"), entries)
        return [entry for entry in entries if entry.name in names or entry.job_id in looking_after]

    def wait_for(self, what: str, seconds: float = 60) -> Path:
        """Wait until a file matches the pattern below the outputs."""
        assert wait_until(lambda: any(self.outputs.glob(what)), seconds), f"no {what}: {self.logs()}"
        return next(self.outputs.glob(what))

    def wait_until_it_trains(self, n_cells: int = 1) -> None:
        """Wait until so many checkpoints have saved their states."""

        def n_saved() -> int:
            return len({path.parent for path in self.outputs.glob("artifacts/.states/*/*.json")})

        assert wait_until(lambda: n_saved() == n_cells, 120), self.logs()

    def logs(self) -> str:
        """The logs of all workers and jobs."""
        folder = self.outputs / "studies" / "tiny" / "jobs"
        logs = [*folder.glob("*/worker-*.log"), *folder.glob("*/*/*.out")]
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')}" for log in logs)

    def nodes(self) -> set[str]:
        """Where the artifacts were made."""
        return {manifest["provenance"]["node"] for manifest in manifests(self.outputs).values()} - {None}

    def end(self) -> None:
        """Leave nothing behind that runs."""
        for run in self._started:
            run.kill()
            run.communicate()
        self._started.clear()
        while jobs := {entry.job_id for entry in self.queued()}:
            subprocess.run(("scancel", *jobs), check=True)
            wait_until(lambda: not self.queued(), 20)

    def _popen(self, line: Iterable[str]) -> "subprocess.Popen[str]":
        variables = environment(self.place)
        return subprocess.Popen(
            list(line),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.root,
            env={**variables, "PATH": f"{self.shims}{os.pathsep}{variables['PATH']}"},
        )
