"""One ``[[fault]]`` as it stands in a file: in ``emu.toml``, in a key, a scenario or a script's step.

What its fields are is ``voxemu.fault``'s; here they are checked at the doors, which raises ValueError, and
described as JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxemu.errors import UsageError, meant
from voxemu.fault import KINDS, LONGEST, RANGES, TEXTS, WHOLE, Fault, Kind, fault_of, fields_of
from voxemu.spoiler import EVENT_NAMES, supports
from voxemu.wire import PROVIDERS


def as_table(value: dict[str, Any]) -> dict[str, Any]:
    """As in a list of them: one that strikes at a moment says which."""
    _checked(value, anchored=True)
    return value


def as_step(value: dict[str, Any]) -> dict[str, Any]:
    """As a step of a script: it strikes at once, or from the moment on that it names."""
    fault = _checked(value, anchored=False)
    if KINDS[fault.kind].family == "start":
        raise ValueError(f"{fault.kind} strikes a start, and the call has begun; write it as a [[fault]]")
    return value


def _checked(value: Mapping[str, Any], *, anchored: bool) -> Fault:
    try:
        fault = fault_of(value, anchored=anchored)
    except UsageError as error:
        raise ValueError(str(error)) from None
    if fault.provider and fault.provider not in PROVIDERS:
        raise ValueError(f"there is no provider {fault.provider!r}; {meant(fault.provider, PROVIDERS)}")
    if fault.provider and not supports(PROVIDERS[fault.provider], fault.kind):
        raise ValueError(f"{fault.provider} cannot have the fault {fault.kind}; `emu faults` says which can")
    if fault.on and fault.on not in EVENT_NAMES:
        raise ValueError(f"there is no event {fault.on!r}; {meant(fault.on, EVENT_NAMES)}")
    return fault


# --- for editors ----------------------------------------------------------------------------------------


def fault_schema(*, starts: bool = True) -> dict[str, Any]:
    """JSON Schema of a fault: one alternative a kind. ``starts``: those of a start too."""
    kinds = [_kind(name, kind) for name, kind in KINDS.items() if starts or kind.family != "start"]
    return {"type": "object", "required": ["kind"], "oneOf": kinds}


def _kind(name: str, kind: Kind) -> dict[str, Any]:
    defaults = {"times": kind.times, "on": kind.on, **kind.takes}
    fields = {field: _field(field, defaults) for field in fields_of(name) if field != "kind"}
    return {
        "description": kind.what,
        "required": ["kind"],
        "properties": {"kind": {"const": name}, **fields},
        "additionalProperties": False,
    }


def _field(name: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    default = {"default": defaults[name]} if defaults.get(name) not in (None, "") else {}
    if name == "on":
        return {"enum": sorted(EVENT_NAMES), **default}
    if name == "provider":
        return {"enum": [*PROVIDERS]}
    if name in TEXTS:
        return {"type": "string", "maxLength": LONGEST, **default}
    if name in RANGES:
        least, most = RANGES[name]
        kind = "integer" if name in WHOLE else "number"
        return {"type": kind, "minimum": least, "maximum": most, **default}
    return {"type": "boolean", **default}
