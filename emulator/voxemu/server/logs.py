"""What may stand in the log: what went wrong, and none of the secrets that it went wrong with."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import TextIO

from voxemu.record.masking import MASK, Mask
from voxemu.server.printing import Printer

DENSE = re.compile(r"(?=[\w-]*\d)(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{32,}", re.ASCII)
# What a ticket looks like, whoever issued it. No name in a program is like that.


class Masked(logging.Formatter):
    """Masks the whole of a record, a traceback with the texts of its exceptions too."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("emu: %(message)s")
        self._mask = Mask(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return DENSE.sub(MASK, self._mask.text(super().format(record)))


def set_up_logging(secrets: Iterable[str], out: TextIO | Printer) -> None:
    """What goes wrong is written to ``out``."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(Masked(secrets))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # It warns of every client that offers a subprotocol; none of the providers has one.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
