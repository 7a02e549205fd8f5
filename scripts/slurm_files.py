"""The files of the Slurm cluster on this machine: what is in /etc, and the folder of all that it keeps."""

import os
import secrets
import shutil
import socket
import string
import subprocess
from collections.abc import Sequence
from pathlib import Path

from slurm_daemons import NODES, PORTS, ROOT, Failed

ETC = Path("/etc/slurm")
HOSTS = Path("/etc/hosts")
MARK = "# Written by scripts/slurm of doublings; `make slurm-down` removes it."
HOSTS_LINE = f"127.0.0.1 {' '.join(NODES)}  # scripts/slurm of doublings"
INSTALLED = tuple(ETC / name for name in ("slurm.conf", "slurmdbd.conf", "gres.conf"))
CPUS_PER_NODE = 4
# Slurm wants a device for each GPU that it hands out, and no device twice.
GRES_CONF = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero"
WITHOUT_ACCOUNTING = ("AccountingStorageType=accounting_storage/none", "AccountingStorageTRES=cpu")
SLURMDBD_CONF = """AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={slurmdbd_port}
SlurmUser=root
LogFile={root}/log/slurmdbd.log
PidFile={root}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadb_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db"""
MARIADB_SQL = """CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1';
ALTER USER 'slurm'@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
"""


def foreign() -> str:
    """What of another cluster is in the way, in words; nothing if all is ours."""
    for path in INSTALLED:
        if path.exists() and not ours(path):
            return f"{path} was not written by scripts/slurm: move it away first"
    for line in HOSTS.read_text().splitlines():
        if line != HOSTS_LINE and set(line.partition("#")[0].split()[1:]) & set(NODES):
            return f"{HOSTS} gives {' or '.join(NODES)} to another machine: {line!r}"
    return ""


def ours(path: Path) -> bool:
    """Whether the file is there and carries our mark."""
    return path.exists() and path.read_text().startswith(MARK)


def accounting_is_on() -> bool:
    """Whether the installed configuration has accounting."""
    return "\nAccountingStorageType=accounting_storage/slurmdbd\n" in INSTALLED[0].read_text()


def make_folders() -> None:
    """The folders of the daemons, and their secrets."""
    for name in ("", "munge", "state", "spool", "log", "run"):
        (ROOT / name).mkdir(mode=0o755, exist_ok=True)
    for path in (ROOT / "munge" / "key", ROOT / "password"):
        if not path.exists():
            write_aside(path, secrets.token_hex(32).encode(), mode=0o600)


def make_database() -> None:
    """An empty database; one that was not finished is begun anew."""
    if (ROOT / "mariadb").exists():
        return
    unfinished = ROOT / "mariadb.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={unfinished}")
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{run.stdout}{run.stderr}")
    unfinished.rename(ROOT / "mariadb")


def configuration(lines: Sequence[str], *, accounting: bool) -> dict[Path, str]:
    """What the daemons must read, by file; `lines` of slurm.conf replace those of the same key."""
    values = {"root": str(ROOT), "password": (ROOT / "password").read_text()} | PORTS
    if not accounting:
        lines = (*WITHOUT_ACCOUNTING, *lines)
    return {
        ETC / "slurm.conf": f"{MARK}\n{slurm_conf(values, lines)}\n",
        ETC / "slurmdbd.conf": f"{MARK}\n{SLURMDBD_CONF.format(**values)}\n",
        ETC / "gres.conf": f"{MARK}\n{GRES_CONF}\n",
        ROOT / "mariadb.sql": MARIADB_SQL.format(**values),
    }


def slurm_conf(values: dict[str, str], lines: Sequence[str]) -> str:
    """The template with this machine's values and the lines of the user."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // len(NODES)
    values = values | {"host": socket.gethostname().partition(".")[0], "cpus": str(CPUS_PER_NODE)}
    values |= {"memory": str(memory), "memory_per_cpu": str(memory // CPUS_PER_NODE)}
    template = Path(__file__).with_name("slurm.conf.template").read_text()
    shipped = string.Template(template).substitute(values).splitlines()
    return "\n".join({key_of(line): line for line in (*shipped, *lines)}.values())


def key_of(line: str) -> str:
    """What a line of slurm.conf is about: its key; for nodes and partitions the name too."""
    if line.startswith(("NodeName=", "PartitionName=")):
        return line.split()[0]
    return line if line.startswith("#") else line.partition("=")[0]


def differing(wanted: dict[Path, str]) -> set[str]:
    """Names of the files that are not yet as they must be."""
    return {path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text}


def write(wanted: dict[Path, str]) -> None:
    """Write the files; those with the password are for their daemons only."""
    for path, text in wanted.items():
        write_aside(path, text.encode(), mode=0o644 if path.name in {"slurm.conf", "gres.conf"} else 0o600)
    shutil.chown(ROOT / "mariadb.sql", "mysql")
    write_hosts([HOSTS_LINE])


def write_aside(path: Path, content: bytes, mode: int) -> None:
    """Write and move into place: nobody reads half of it, and nobody reads it who may not."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    aside.chmod(mode)
    aside.rename(path)


def write_hosts(names: list[str]) -> None:
    """Set our lines of the hosts file; in place, since that of a container cannot be replaced."""
    lines = [line for line in HOSTS.read_text().splitlines() if line != HOSTS_LINE]
    wanted = "\n".join([*lines, *names]) + "\n"
    if wanted != HOSTS.read_text():
        HOSTS.write_text(wanted)


def remove() -> None:
    """Take back all of it."""
    for path in INSTALLED:
        if ours(path):
            path.unlink()
    write_hosts([])
    shutil.rmtree(ROOT, ignore_errors=True)
