"""What an app is told so that it calls the emulator instead of the vendor."""

from __future__ import annotations

from voxemu.server.config import Config

ANY_KEY = "emu-key"


def key_of(config: Config) -> str:
    """A key that passes: the first that is configured and not disabled, else one of ours."""
    settings = config.settings
    if settings.auth.keys is None:
        return ANY_KEY
    disabled = {table.value for table in settings.keys if table.disabled}
    good = [*settings.auth.keys, *(table.value for table in settings.keys)]
    return next((key for key in good if key not in disabled), ANY_KEY)


def exported(config: Config, base: str, key: str) -> dict[str, str]:
    """``EMU_URL``, ``EMU_KEY``, and the variables of every provider that is served."""
    found = {"EMU_URL": base, "EMU_KEY": key}
    for provider in config.providers.values():
        found |= provider.exports(base)
    return found
