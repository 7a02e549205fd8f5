"""How torch computes in this process: so many threads, and the same numbers every time."""

import os

import torch


def settle() -> None:
    """Set threads and determinism, before the first model is built."""
    # The standard variable, with a default of ours: threads that wait for each other cost a factor of ten.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.use_deterministic_algorithms(True)
    # cuBLAS is deterministic only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
