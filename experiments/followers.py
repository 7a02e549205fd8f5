"""The processes that train together with this one, which is rank 0: started, told what to do, watched."""

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.refusal import Refused

# What fails here and there at once is told by rank 0, which is so long about it.
GRACE = 3.0
# What gloo and nccl raise when another process is gone, by name: no torch here.
LOST_TOUCH = ("RuntimeError", "DistBackendError")


class Followers:
    """Ranks 1, 2, ... of the training at hand; they stay for the next one of as many."""

    def __init__(self, fail: Callable[[Mapping[str, Any]], None]) -> None:
        """`fail` answers for a training that cannot go on, and ends this process."""
        self._fail = fail
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ending = threading.Event()

    @contextmanager
    def at_work(self, request: Mapping[str, Any], n_ranks: int) -> Iterator[None]:
        """Have them do their share of what is asked of this process within the context."""
        if len(self._processes) + 1 != n_ranks:
            self.end()
        try:
            if n_ranks > len(self._processes) + 1:
                self._start(n_ranks)
            for process in self._processes:
                _tell(process, request)
            yield
        except BaseException as error:
            if type(error).__name__ in LOST_TOUCH and self._one_died():
                threading.Event().wait()  # whoever watches that one answers, and ends this process
            self.end()  # they may be anywhere
            raise

    def _one_died(self) -> bool:
        """Whether one of them ends now, which is why this process lost touch."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            if any(process.poll() is not None for process in self._processes):
                return True
            time.sleep(0.05)
        return False

    def end(self) -> None:
        """Send them away."""
        if not self._processes:
            return
        self._ending.set()
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes = []
        importlib.import_module("experiments.ranks").leave()

    def _start(self, n_ranks: int) -> None:
        nodes = _nodes()
        if n_ranks % len(nodes):
            raise Refused(
                f"cluster.compute.ranks={n_ranks} cannot be dealt out evenly to {len(nodes)} nodes: choose a "
                f"multiple of {len(nodes)}"
            )
        per_node = n_ranks // len(nodes)
        host = "127.0.0.1" if len(nodes) == 1 else socket.gethostname()
        ranks = importlib.import_module("experiments.ranks")
        store = ranks.meeting_place(host, n_ranks)
        self._ending = threading.Event()
        for rank in range(1, n_ranks):
            place = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank % per_node),
                "WORLD_SIZE": str(n_ranks),
                "MASTER_ADDR": host,
                "MASTER_PORT": str(store.port),
            }
            node = nodes[rank // per_node]
            process = _started(node if node != nodes[0] else None, place)
            self._processes.append(process)
            threading.Thread(target=self._watch, args=(rank, process, self._ending), daemon=True).start()
        ranks.join(store, 0, n_ranks, 0)

    def _watch(self, rank: int, process: "subprocess.Popen[bytes]", ending: threading.Event) -> None:
        """Without one of them all others would wait for ever."""
        assert process.stdout is not None
        last = process.stdout.read()
        code = process.wait()
        if ending.wait(GRACE):
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        told = last.splitlines()
        failed = {"cause": "killed", "message": f"it {how}; the log says more", "traceback": ""}
        failed = json.loads(told[-1]) if told else failed
        self._fail({**failed, "message": f"rank {rank} of the training: {failed['message']}"})


def wanted(ranks: int | None) -> int:
    """How many processes train one model: those declared, else one for each GPU of the job, else one."""
    if ranks is not None:
        return ranks
    n_gpus: int = importlib.import_module("torch").cuda.device_count()
    return max(n_gpus, 1) * len(_nodes()) if n_gpus else 1


def _nodes() -> list[str]:
    """The names of the nodes of this job, this one first; of a process that is no job of Slurm, one."""
    if int(os.environ.get("SLURM_JOB_NUM_NODES", "1")) == 1:
        return [socket.gethostname()]
    if not shutil.which("srun"):
        raise Refused(
            f"this job has {os.environ['SLURM_JOB_NUM_NODES']} nodes, and there is no srun here to start a "
            "training on the others: ask for one node (cluster.resources.nodes=1), or let "
            "cluster.resources.python be one that sees Slurm's commands"
        )
    listed = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    here = os.environ["SLURMD_NODENAME"]
    return [here, *(name for name in names if name != here)]


def _tell(process: "subprocess.Popen[bytes]", request: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()


def _started(node: str | None, place: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """On another node of the job, or on this one (None)."""
    command = [sys.executable, "-m", "experiments", "follow"]
    if node is not None:
        # Beside the step of this process, with the GPUs of the job on that node.
        command = ["srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}", *command]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **place}
    )
