import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch

from experiments.world import augmented
from orchestrator.strategies import SymbolicStrategy
from tests.experiments.training import base_spec, made_base, source, write_pool


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    strategy = SymbolicStrategy(
        kind="symbolic",
        name="queries",
        operations=("numbers", "concepts"),
        new_fact_share=0.5,
        rows=64,
        generator_seed=0,
    )
    pool = write_pool(folder / "pool", list(islice(augmented(strategy, source("seed", 12), frozenset()), 64)))
    made_base({}, folder / "base", base_spec())
    return {"base": folder / "base", "pool": pool}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one page, less than any state or shard."""
    place = tmp_path / "full"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
