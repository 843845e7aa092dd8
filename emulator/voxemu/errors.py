"""Everything that voxemu raises on purpose, as one tree.

VoxemuError
├── UsageError               asked for something that cannot be; the command line exits with 2
│   ├── SettingsError        a setting, an environment variable or a flag is wrong
│   ├── UnknownName          no agent, provider, prompt or finding of that name
│   └── AudioError           a file or a buffer is not the audio it was said to be
├── ProtocolError
│   ├── LocalProtocolError   we were about to send what the protocol has no words for (our bug)
│   └── RemoteProtocolError  the peer sent what the protocol has no words for
├── Refused                  a start request, a ticket or a key was turned away
├── ConnectionLost           no connection, or it broke
└── RecordingError           a recording could not be written or read
"""

from __future__ import annotations

from collections.abc import Iterable

A_FEW = 4
# Names that a sentence may offer.


class VoxemuError(Exception):
    """Root of the tree; its text says what happened, where, and what to do."""


class UsageError(VoxemuError):
    """What was asked for cannot be."""


class SettingsError(UsageError):
    """A setting is wrong; the text names the file, the key and what was meant."""


class UnknownName(UsageError):
    """Nothing goes by that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"there is no {kind} {name!r}; {meant(name, known)}")
        self.name = name
        self.known = known


class AudioError(UsageError):
    """A file or a buffer is not the audio it was said to be."""


class ProtocolError(VoxemuError):
    """Somebody broke the protocol; the subclass says who."""


class LocalProtocolError(ProtocolError):
    """We were about to send what the protocol has no words for: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol has no words for."""


class Refused(VoxemuError):
    """A start request, a ticket or a key was turned away.

    ``why`` is a stable word (``missing_key``, ``bad_key``, ``disabled_key``, ``unknown_agent``,
    ``unknown``, ``used``, ``expired``, ``full``); each provider spells it in its own status and body.
    ``status`` is the HTTP status by which a caller was told, where it was one.
    """

    def __init__(
        self, why: str, text: str, *, session_id: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(text)
        self.why = why
        self.session_id = session_id
        self.status = status


class ConnectionLost(VoxemuError):
    """The peer could not be reached, or the connection broke."""


class RecordingError(VoxemuError):
    """A recording could not be written or read."""


def meant(name: str, known: Iterable[str]) -> str:
    """The half-sentence that helps somebody who mistyped: what is meant, else all known names.

    A few that have a word beginning so are nearer than one of like letters: by `F-RATE` nobody means
    `F-WRAPPED`.
    """
    # Late: everything imports this module, and hardly anybody mistypes.
    import difflib

    known = list(known)
    begun = _with_word(name, known)
    near = begun if 0 < len(begun) <= A_FEW else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"known: {', '.join(known) or 'none'}"


def _with_word(beginning: str, known: Iterable[str]) -> list[str]:
    """Those of which a word, or some words, begin so; none for a letter or two."""
    if len(beginning) < 3:
        return []
    sought = f"-{_hyphened(beginning)}"
    return [name for name in known if sought in f"-{_hyphened(name)}"]


def _hyphened(name: str) -> str:
    return name.casefold().replace("_", "-")
