"""FitDiff: one photo in, one relightable head out. Everything that computes lives here; nothing here imports bpy."""

import os

# OpenMP reads this once, when torch loads it. By default its threads spin while they wait, and where several programs
# share few cores (Blender beside the backend) they spin in each other's way: 9 times slower was measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# numpy's linear algebra, which reads these once too, rounds otherwise with every number of threads (threads.py).
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

__version__ = "0.1.0"
