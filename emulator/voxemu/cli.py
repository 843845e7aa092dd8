"""The command line: ``emu serve``, ``emu exec``, ``emu explain``, and the commands that other packages bring.

What a command needs is imported when it runs, so that ``emu --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from voxemu import __version__
from voxemu.errors import UsageError, VoxemuError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = "voxemu.commands"
# The entry point group: `client = "voxemu_client.cli:client"` is `emu client`.


class Group(click.Group):
    """Its own commands, and those that installed packages bring."""

    @cached_property
    def _brought(self) -> dict[str, EntryPoint]:
        """Looked for once, and not for a command of our own: it means reading what is installed."""
        from importlib.metadata import entry_points

        return {found.name: found for found in entry_points(group=COMMANDS)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._brought})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own is not None or name not in self._brought:
            return own
        return _loaded(self._brought[name])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from voxemu.errors import UnknownName

            raise UnknownName("command", name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(80) if command is not None else ""))
            except UsageError as error:
                rows.append((name, f"({error})"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _loaded(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except Exception as error:
        raise UsageError(
            f"the command {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(command, click.Command):
        raise UsageError(f"the command {entry.name!r} ({entry.value}) is no click command")
    return command


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="emu", message="%(prog)s %(version)s")
def emu() -> None:
    """A local emulator of voice-AI providers, and a recorder of their calls."""


@emu.command()
@click.option("--host", metavar="HOST", help="Address to listen on.  [127.0.0.1]")
@click.option("--port", metavar="PORT", help="0 picks a free one.  [8090]")
@click.option(
    "--agent",
    metavar="NAME",
    help="Who answers: echo, tone[:hz[:seconds]], script:FILE …  [echo]",
)
@click.option("--provider", metavar="ID", multiple=True, help="Serve this one; may be repeated.  [all]")
@click.option("--record", metavar="DIR", help="Record every call below this directory.")
@click.option("--upstream", metavar="URL", help="Pass calls through to this real provider; with --record.")
@click.option("--config", metavar="FILE", help="Settings.  [./emu.toml, else [tool.emu] of ./pyproject.toml]")
@click.option("--ready-file", metavar="FILE", help="Written once the server listens: URL, pid, providers.")
@click.option("--json", is_flag=True, help="JSON lines on stdout.")
@click.option("--clock", metavar="real|media", help="media: time is the audio that clients send.  [real]")
@click.option("--seed", metavar="N", help="The same ids and choices in every run.")
@click.option("--public-url", metavar="URL", help="What clients reach this server by.")
@click.option("--allow-host", metavar="HOST", multiple=True, help="Accept this Host header too.")
@click.option("--allow-origin", metavar="ORIGIN", multiple=True, help="Accept pages of this origin; or null.")
@click.option("--tls-port", metavar="PORT", help="Listen for TLS as well; needs the next two.")
@click.option("--tls-cert", metavar="FILE")
@click.option("--tls-key", metavar="FILE")
@click.option("--flush-check", is_flag=True, help="Find clients that go on playing after an interruption.")
@click.option("--fail-on", metavar="finding|never", help="Exit code 1 when a client did wrong.  [never]")
@click.option("--livekit", metavar="auto|embedded|server|URL", help="Where rooms are served.  [auto]")
@click.option("--livekit-url", metavar="URL", help="What clients reach that server by, if by another URL.")
def serve(config: str | None, **flags: Any) -> None:
    """Run the emulator: all providers on one port."""
    # The echo guard solves many small systems: with threads they wait for each other, ten times as long on a
    # busy machine. To be said before numpy is there.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from voxemu.server.run import serve as run

    raise SystemExit(run(config, os.environ, flags))


@emu.command(
    "exec",
    params=[option for option in serve.params if option.name not in ("port", "ready_file", "json")],
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD …")
def execute(config: str | None, command: tuple[str, ...], **flags: Any) -> None:
    """Run CMD with an emulator beside it, on a free port that its environment names."""
    environ = dict(os.environ)
    # For ourselves, as in `serve`; the command's environment is the user's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from voxemu.server.execute import execute as run

    raise SystemExit(run(config, environ, flags, command))


@emu.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """What a finding means, why it matters, and the fix; without a CODE, all of them."""
    from voxemu.lint import explain as explained
    from voxemu.lint import overview

    click.echo(overview() if code is None else explained(code), nl=False)


@emu.command()
@click.argument("paths", nargs=-1, required=True, metavar="RECORDING...")
@click.option("--fail-on", type=click.Choice(["finding", "never"]), default="never", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def lint(**options: Any) -> None:
    """Say what the client of a recorded call did wrong.

    The rules are those of `emu explain`, on recordings of either end, also of real vendors.

    Exit codes: 0; with --fail-on finding 1 when something was found; 2 a recording that cannot be read.
    """
    from voxemu.lint_run import run

    raise SystemExit(run(options))


@emu.command()
@click.argument("kind", required=False)
def faults(kind: str | None) -> None:
    """What can go wrong on purpose, and with which providers; with a KIND, its fields."""
    from voxemu.spoiler.explain import explained, overview
    from voxemu.wire import PROVIDERS

    click.echo(overview(PROVIDERS) if kind is None else explained(kind, PROVIDERS), nl=False)


@emu.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--onset-ms", type=float, default=40.0, show_default=True, help="Of a start, either way.")
@click.option("--level-db", type=float, default=1.0, show_default=True, help="Of a level, either way.")
@click.option(
    "--drop-ms", type=float, default=100.0, show_default=True, help="Of where something is cut off."
)
@click.option("--exact", is_flag=True, help="No tolerances: to the sample.")
@click.option("--junit", metavar="FILE", help="Write the outcome for a build server.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def compare(**options: Any) -> None:
    """Say what differs between two recordings, also live ones.

    Of the same scenario; within tolerances, the first cause first.

    Exit codes: 0 the same within the tolerances; 1 they differ; 2 a recording that cannot be read.
    """
    from voxemu.compare_run import run

    raise SystemExit(run(options))


@emu.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def migrate(paths: tuple[str, ...]) -> None:
    """Bring recordings of an older format version to this one's."""
    from pathlib import Path

    from voxemu.record.migration import migrate as migrated

    for path in paths:
        versions = migrated(Path(path))
        click.echo(
            f"{path}: " + (" -> ".join(versions) if len(versions) > 1 else f"is {versions[0]} already")
        )


@emu.command()
@click.argument("paths", nargs=-1, required=True, metavar="DIR...")
def recover(paths: tuple[str, ...]) -> None:
    """Finish recordings whose process was killed.

    DIR is a recording or holds some. Says what it did; a second time there is nothing to do.

    Exit codes: 0 all are finished; 2 what is no recording, is broken, or is still being made.
    """
    from voxemu.recover_run import run

    raise SystemExit(run(paths))


@emu.group()
def scenario() -> None:
    """Scenario files."""


@scenario.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    import json

    from voxemu.scenario.format import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def main(args: list[str] | None = None) -> None:
    """The console script. Exit code 2 and a sentence for what the user got wrong."""
    # Before NumPy is loaded. The products here are small: one core is faster, and sums come out alike
    # however many cores there are.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        # A command may do with a process that is its own what it would not do in somebody else's.
        code = emu.main(args, prog_name="emu", standalone_mode=False, obj=args is None)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except VoxemuError as error:
        for line in str(error).splitlines():
            click.echo(f"emu: {line}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
