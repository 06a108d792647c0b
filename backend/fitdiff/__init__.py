"""FitDiff: one photo in, one relightable head out. Everything that computes lives here; nothing here imports bpy."""

import os

# OpenMP reads this once, when torch loads it. By default its threads spin while they wait, which was up to 9 times slower
# where several programs share few cores, such as Blender and the backend.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# numpy's linear algebra, which reads these once too, rounds differently with the number of threads (threads.py).
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["VECLIB_MAXIMUM_THREADS"] = "1"

__version__ = "0.1.0"
