"""How much memory the process has used; part of every run's record."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PROCESS_STATUS = Path("/proc/self/status")


def peak_memory_mb() -> float:
    """Largest resident set of this process so far, in MB (10^6 bytes).

    Linux hands ``ru_maxrss`` down from the process that started this one, so the kernel's own
    high-water mark of this process is read where there is one.
    """
    if _PROCESS_STATUS.is_file():
        for line in _PROCESS_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
