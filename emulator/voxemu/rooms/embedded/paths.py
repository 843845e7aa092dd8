"""The requests that embedded rooms answer; apart from the rest, which needs the extra."""

from __future__ import annotations

ROUTES = (
    ("GET", "/rtc"),
    ("GET", "/rtc/v1"),
    ("GET", "/rtc/validate"),
    ("GET", "/rtc/v1/validate"),
    ("POST", "/twirp/livekit.RoomService/{method}"),
)
