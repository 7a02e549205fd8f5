import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import leases as leases_module
from orchestrator.leases import Leases

KEY = "0123456789abcdef"


def _claim(outputs: Path, claimed: "multiprocessing.Queue[int]", go: float) -> None:
    time.sleep(max(0.0, go - time.time()))
    if Leases(outputs).claim(KEY, {}) is not None:
        claimed.put(os.getpid())
        time.sleep(1.0)


@pytest.mark.slow
def test_of_many_that_claim_at_once_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    claimed: multiprocessing.Queue[int] = context.Queue()
    go = time.time() + 1.5
    processes = [context.Process(target=_claim, args=(tmp_path, claimed, go)) for _ in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert claimed.get(timeout=5)
    assert claimed.empty()


def test_the_lease_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from orchestrator.leases import Leases;"
        f"Leases(pathlib.Path({str(tmp_path)!r})).claim({KEY!r}, {{}}); "
        "print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        leases = Leases(tmp_path)
        assert leases.claim(KEY, {}) is None
        assert set(leases.live()) == {KEY}
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert leases.live() == {}
    taken = leases.claim(KEY, {})
    assert taken is not None
    assert leases.holds(taken)


def test_a_released_lease_can_be_claimed_by_the_same_process(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    first = leases.claim(KEY, {})
    assert first is not None
    assert leases.claim(KEY, {}) is None
    leases.release(first)
    second = leases.claim(KEY, {})
    assert second is not None
    assert not leases.holds(first)
    assert leases.holds(second)


def test_a_holder_on_another_machine_lives_as_long_as_it_refreshes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(tmp_path)
    lease = leases.claim(KEY, {})
    assert lease is not None
    leases.refresh(lease, 0.5, "half")
    monkeypatch.setattr(leases_module.socket, "gethostname", lambda: "another")
    assert leases.live()[KEY]["progress"] == 0.5
    assert leases.claim(KEY, {}) is None
    long_ago = time.time() - 2 * leases_module.STALE_AFTER
    os.utime(lease.path, (long_ago, long_ago))
    assert leases.claim(KEY, {}) is not None
    assert not leases.holds(lease)


def test_clearing_leaves_no_trace(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    lease = leases.claim(KEY, {})
    assert lease is not None
    leases.clear(KEY)
    leases.refresh(lease, 0.9, "too late")
    assert leases.live() == {}
    assert list(leases.folder.iterdir()) == []


def test_long_work_without_moments_of_its_own_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(tmp_path)
    lease = leases.claim(KEY, {})
    assert lease is not None
    monkeypatch.setattr(leases_module, "STALE_AFTER", 0.3)
    monkeypatch.setattr(leases_module.socket, "gethostname", lambda: "another")
    with leases.kept(lease):
        time.sleep(0.6)
        assert leases.claim(KEY, {}) is None
    leases.clear(KEY)
    time.sleep(0.1)
    assert leases.live() == {}
