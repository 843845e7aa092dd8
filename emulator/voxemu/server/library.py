"""The recordings of a server: listed, and given out file by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from voxemu.provider import Route
from voxemu.server.answers import as_json
from voxemu.server.config import Config
from voxemu.server.door import Door, Handler
from voxemu.wire.entrance import answer_of

MANIFEST = "manifest.json"
FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
LISTED = answer_of(recordings="array")


class Volume(NamedTuple):
    provider: str
    name: str
    files: list[Path]

    def said(self) -> dict[str, Any]:
        sizes = {each.name: each.stat().st_size for each in self.files}
        return {"provider": self.provider, "name": self.name, "files": sizes}


class Library:
    def __init__(self, config: Config, door: Door) -> None:
        self._config = config
        self._door = door

    def served(self) -> list[tuple[Route, Handler]]:
        root = "/__emu/recordings"
        what = "The recordings below the folder of `record`"
        return [
            (Route("GET", root, what, answers={200: LISTED}), self.listed),
            (
                Route("GET", root + "/{provider}/{name}/{file}", "One file of one", answers={200: FILE}),
                self.one,
            ),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        return as_json(200, {"recordings": [volume.said() for volume in self._volumes()]})

    async def one(self, request: web.Request) -> web.StreamResponse:
        # Looked up among those that are there: nothing of the request becomes part of a path.
        asked = [request.match_info[part] for part in ("provider", "name", "file")]
        for volume in self._volumes():
            for file in volume.files:
                if [volume.provider, volume.name, file.name] == asked:
                    response = web.FileResponse(file, headers={"Content-Type": FILE["contentMediaType"]})
                    self._door.tell(request, response)
                    return response
        return as_json(404, {"error": "there is no such recording; GET /__emu/recordings lists them"})

    def _volumes(self) -> list[Volume]:
        root = self._config.settings.record
        manifests = [] if root is None else sorted(Path(root).glob(f"*/*/{MANIFEST}"))
        return [_volume(manifest.parent) for manifest in manifests]


def _volume(folder: Path) -> Volume:
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.is_symlink())
    return Volume(folder.parent.name, folder.name, files)
