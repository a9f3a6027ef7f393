"""The memory of this machine and process."""

import os
from contextlib import suppress
from pathlib import Path


def physical() -> int | None:
    """Bytes of this machine, or of the container that this process is in; None where unknown."""
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return min(present, *_limits())


def available() -> int | None:
    """Bytes that this process may still take; None where unknown."""
    present = physical()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, *_limits())
    return present


def _limits() -> list[int]:
    """What the process and its control group are limited to, in bytes."""
    limits = [2**63]
    with suppress(ImportError, OSError):
        import resource

        for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            soft, _ = resource.getrlimit(kind)
            if soft != resource.RLIM_INFINITY:
                limits.append(soft)
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # `max` without a limit
            limits.append(int(Path(file).read_text()))
    return limits
