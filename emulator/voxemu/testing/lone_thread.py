"""numpy, loaded so that it computes in the thread that asks.

Its BLAS would share the echo guard's many small systems out to threads, which on a busy machine wait for
each other: the agent of a test in real time then falls silent half a second late. It asks its environment
once, when it is loaded, so the variable is gone afterwards, for the tests and for their children. Importing
this does it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

THREADS = "OPENBLAS_NUM_THREADS"


def load_numpy() -> None:
    """Nothing where somebody has loaded it already, or says how many threads there are to be."""
    if "numpy" in sys.modules or THREADS in os.environ:
        return
    os.environ[THREADS] = "1"
    try:
        import_module("numpy")
    finally:
        del os.environ[THREADS]


load_numpy()
