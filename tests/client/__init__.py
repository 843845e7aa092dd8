"""Tests of `voxemu_client`."""

from __future__ import annotations
