"""``python -m voxemu.lint`` prints docs/findings.md."""

from __future__ import annotations

from . import findings_page

print(findings_page(), end="")
