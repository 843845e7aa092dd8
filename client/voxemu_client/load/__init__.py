"""Many calls at once: the reference client at scale, against anybody's server.

    report = asyncio.run(load_up(Order("lokutor", "http://127.0.0.1:8090", sessions=100, duration=30)))
    report.turns.percentile(99), report.agent.percentile(99), report.was_late, report.json()

``Order`` is what is asked, ``run.load_up`` carries it out in processes of its own, ``Report`` is what it came
to. What the figures mean, coordinated omission above all: ``waits``, ``pace``, ``spread``, docs/load.md.
"""

from __future__ import annotations
