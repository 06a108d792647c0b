"""What every test needs in either environment: few threads, and the source tree on the path of child processes."""

from __future__ import annotations

import os
from pathlib import Path

# Before numpy or torch load their thread pools (torch takes its count from OMP_NUM_THREADS at import). One each: a test
# machine has few cores and runs two suites at once, and threads that wait for each other's core cost up to ten times
# the work. What threads change is tested where a test sets their number itself.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_ROOT = Path(__file__).resolve().parent.parent
# pytest.ini puts these on this process's path; processes that a test starts read them from here.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(_ROOT), str(_ROOT / "backend"), *filter(None, [os.environ.get("PYTHONPATH")])]
)
