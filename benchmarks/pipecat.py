"""An environment of its own for Pipecat, which is a baseline and no dependency: made when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WANTED = ("pipecat-ai[websocket]", "uvicorn", "uvloop", "websockets")
READY = "ready"


def place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "voxemu" / "bench-pipecat"


def environment() -> tuple[str | None, str]:
    """Its interpreter; or None, and why there is none."""
    folder = place()
    python = folder / "bin" / "python"
    ready, wanted = folder / READY, " ".join(WANTED)
    if not ready.exists() or ready.read_text() != wanted:
        sys.stderr.write(f"  making an environment for Pipecat in {folder}: half a gigabyte, some minutes\n")
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            subprocess.run([python, *install, *WANTED], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            return None, f"its environment could not be made: {said[-1] if said else error}"
        ready.write_text(wanted)
    return str(python), ""
