"""Kills what a run consists of: its stage, its worker, itself, or everything at once."""

import signal
import subprocess
import time
from pathlib import Path

import psutil


def wait_for_a_lease(outputs: Path, run: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.poll() is None:
        if any((outputs / "artifacts" / ".leases").glob("*")):
            return
        time.sleep(0.05)


def hear_ctrl_c() -> None:
    """Whoever runs the tests in the background has them ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def kill(victim: str, run: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    ours = [
        process for process in psutil.process_iter() if _temporary_folder(process) == str(tmp_path / "tmp")
    ]
    stages = [process for process in ours if _runs(process, "experiments")]
    workers = [process for process in ours if _runs(process, "submitit.core._submit")]
    chosen = {
        "stage": stages[:1],
        "worker": workers[:1],
        "orchestrator": [psutil.Process(run.pid)] if run.poll() is None else [],
        "everything": ours,
    }[victim]
    for process in chosen:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _temporary_folder(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("TMPDIR")
    except (psutil.Error, OSError):
        return None


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False
