"""Fuzz everything that reads what strangers send, for as long as you like: ``make fuzz``.

    python -m tools.fuzz [READER…] [libFuzzer's options, such as -max_total_time=600]

Needs atheris (``pip install atheris``; it has wheels for Linux alone). Without a READER all take their turn,
chosen by the input's first byte; the readers are those of ``tests/hostile/decoders.py``, by name. What breaks
one is written to a file ``crash-…``, and goes into ``tests/hostile/test_decoders.py`` as an example.
"""

from __future__ import annotations

import sys

try:
    import atheris
except ImportError:
    sys.exit("fuzz: atheris is not installed; pip install atheris (Linux)")

with atheris.instrument_imports(include=["voxemu", "tests.hostile"]):
    from tests.hostile.decoders import READERS


def main() -> None:
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    unknown = [name for name in wanted if name not in READERS]
    if unknown:
        sys.exit(f"fuzz: there is no reader {unknown[0]!r}; known: {'; '.join(READERS)}")
    readers = [READERS[name] for name in wanted or READERS]

    def feed(given: bytes) -> None:
        readers[given[0] % len(readers) if given else 0](given[1:])

    atheris.Setup([sys.argv[0], *(word for word in sys.argv[1:] if word.startswith("-"))], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
