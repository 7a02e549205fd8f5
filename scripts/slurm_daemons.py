"""The daemons of the Slurm cluster on this machine: their commands; how they are started, found, ended."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/var/lib/doublings-slurm")
NODES = ("n1", "n2")
# Ports of its own: a MariaDB or Slurm of this machine's owner is not in the way.
PORTS = {
    "slurmctld_port": "16817",
    "slurmdbd_port": "16819",
    "mariadb_port": "16820",
    "n1_port": "16821",
    "n2_port": "16822",
}
PATIENCE = 60


class Failed(Exception):
    """A daemon does not serve; the message holds its last words."""


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def processes() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Process id and command of all that lives here; the dead whom nobody has buried have no command."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if command:
                yield int(folder.name), tuple(command.decode(errors="replace").rstrip("\0").split("\0"))


def belongs_to_a_job(pid: int, node: str = "") -> bool:
    """Whether a job of this cluster has started the process, on any node or on this one."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    here = not node or f"SLURMD_NODENAME={node}".encode() in environment
    return here and b"SLURM_CLUSTER_NAME=doublings" in environment


def lives(pid: int) -> bool:
    """Whether a process is there; one that is dead and not yet buried by its parent is not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def kill(pid: int, sign: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return


@dataclass(frozen=True)
class Daemon:
    """A process that must run: a command that nothing else has, its settings, a probe that says it serves."""

    name: str
    command: tuple[str, ...]
    probe: tuple[str, ...]
    settings: tuple[str, ...] = ()

    def pids(self) -> list[int]:
        """The processes of this command, with any settings: no file with a process id can lie about it."""
        return [pid for pid, command in processes() if command[: len(self.command)] == self.command]

    def serves(self) -> bool:
        """Whether the probe succeeds."""
        try:
            return subprocess.run(self.probe, capture_output=True, timeout=10, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def start(self) -> None:
        """Start it in a session of its own, wait until it serves; raise Failed if it does not."""
        said = ROOT / "log" / f"{self.name}.out"
        with said.open("w") as out:
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
            process = subprocess.Popen(
                (*self.command, *self.settings), **streams, start_new_session=True, cwd=ROOT
            )
        wait_until(lambda: process.poll() is not None or self.serves(), PATIENCE)
        if process.poll() is not None or not self.serves():
            words = "\n".join(said.read_text(errors="replace").splitlines()[-15:])
            raise Failed(f"{self.name} does not serve ({' '.join(self.command)}). Its last words:\n{words}")

    def stop(self) -> None:
        """End it, by force if it does not end by itself."""
        pids = self.pids()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                kill(pid, sign)
            if wait_until(lambda: not any(lives(pid) for pid in pids), 20):
                return
        raise Failed(f"{self.name} does not end: process {' '.join(map(str, pids))}")


def munged() -> Daemon:
    """Who vouches for users between the other daemons."""
    folder, socket = ROOT / "munge", f"--socket={ROOT}/munge/socket"
    settings = tuple(f"--{name}-file={folder}/{name}" for name in ("key", "pid", "seed", "log"))
    return Daemon(
        "munged", ("/usr/sbin/munged", "--foreground", socket), ("munge", "--no-input", socket), settings
    )


def mariadbd() -> Daemon:
    """The database under the accounting."""
    socket = f"--socket={ROOT}/mariadb/socket"
    settings = (
        f"--datadir={ROOT}/mariadb",
        f"--pid-file={ROOT}/mariadb/pid",
        f"--init-file={ROOT}/mariadb.sql",
    )
    settings += ("--bind-address=127.0.0.1", f"--port={PORTS['mariadb_port']}", "--skip-name-resolve")
    # Newer ones reserve 8 TiB of addresses for a buffer that may grow, and take seconds to give them back.
    settings += ("--innodb-buffer-pool-size=128M", "--loose-innodb-buffer-pool-size-max=128M")
    command = ("/usr/sbin/mariadbd", "--no-defaults", "--user=mysql", socket)
    return Daemon("mariadbd", command, ("mariadb-admin", "--no-defaults", socket, "ping"), settings)


def slurmdbd() -> Daemon:
    """The accounting."""
    return Daemon("slurmdbd", ("/usr/sbin/slurmdbd", "-D"), ("sacctmgr", "--noheader", "show", "cluster"))


def slurmctld() -> Daemon:
    """The controller: it queues, places, preempts."""
    return Daemon("slurmctld", ("/usr/sbin/slurmctld", "-D"), ("scontrol", "ping"))


def slurmd(node: str) -> Daemon:
    """One node."""
    listens = ("bash", "-c", f"echo > /dev/tcp/127.0.0.1/{PORTS[f'{node}_port']}")
    return Daemon(node, ("/usr/sbin/slurmd", "-D", "-N", node), listens)


def accounting_daemons() -> list[Daemon]:
    """The daemons that a cluster without accounting does without."""
    return [mariadbd(), slurmdbd()]


def slurm_daemons() -> list[Daemon]:
    """The daemons that read slurm.conf."""
    return [slurmctld(), *(slurmd(node) for node in NODES)]
