"""Tests of `voxemu.record`."""

from __future__ import annotations
