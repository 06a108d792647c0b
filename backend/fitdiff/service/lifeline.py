"""End FitDiff's processes with their parent, beyond the end of stdin, which every process watches.

On Linux the kernel sends a signal when the parent dies, however it dies. On Windows a job object ends the child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
_EXTENDED_LIMITS, _KILL_ON_CLOSE = 9, 0x2000


def when_parent_dies(act: Callable[[], None]) -> None:
    """Linux: call `act` in the main thread when the parent process dies. Elsewhere nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()

    def look(number: int, frame: Any) -> None:
        # The kernel signals the end of the parent's thread, too: stay if the parent process itself still runs.
        if os.getppid() != parent:
            act()

    signal.signal(signal.SIGUSR1, look)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGUSR1), 0, 0, 0)


def take_along(child: subprocess.Popen[bytes]) -> Any:
    """Windows: end the child with this process. Keep the returned handle; closing it ends the child."""
    if sys.platform != "win32":
        return None
    kernel = ctypes.windll.kernel32
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    job = kernel.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.flags = _KILL_ON_CLOSE
    pointer, handle = ctypes.c_void_p(job), ctypes.c_void_p(int(child._handle))  # type: ignore[attr-defined]
    kernel.SetInformationJobObject(pointer, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(pointer, handle)
    return job


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, of which only the flags are used."""

    _fields_ = [  # noqa: RUF012
        ("per_process_time", ctypes.c_int64),
        ("per_job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
        ("io_counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    ]
