"""Time and memory that making one artifact took, seen from outside the process that made it."""

import time

import psutil


class Measured:
    """Begins to count when it is made."""

    def __init__(self, pid: int) -> None:
        """Raises psutil.NoSuchProcess where the process has ended."""
        self._process = psutil.Process(pid)
        self._begun = time.time()
        self._cpu = self._cpu_seconds()
        self.peak_bytes = 0
        self.sample()

    def sample(self) -> None:
        """Look at the memory; the more often, the less a peak is missed."""
        try:
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)
        except psutil.NoSuchProcess:
            return  # its death is reported where the answer is awaited

    def result(self) -> dict[str, float]:
        """Seconds of wall and CPU time and the largest memory so far, for a manifest."""
        self.sample()
        return {
            "begun": round(self._begun, 3),
            "seconds": round(time.time() - self._begun, 3),
            "cpu_seconds": round(self._cpu_seconds() - self._cpu, 3),
            "peak_memory_bytes": self.peak_bytes,
        }

    def _cpu_seconds(self) -> float:
        try:
            times = self._process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        # Of children as soon as they have ended.
        return float(times.user + times.system + times.children_user + times.children_system)
