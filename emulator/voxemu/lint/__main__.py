"""``python -m voxemu.lint`` prints docs/findings.md."""

from __future__ import annotations

import sys

from voxemu.lint import findings_page

sys.stdout.write(findings_page())
