"""``emu client``: places a call as a vendor's page asks a client to, and says what it came to.

Exit codes: 0 done; 1 an expectation failed (no answer, or no barge-in where one was asked for); 2 usage;
3 cannot connect, refused or lost; 4 the peer broke the protocol; 5 all went well but the recording; 130
interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from voxemu.errors import UsageError

RECORDINGS = "./recordings"
SAID_BY_SCENARIO = (
    *("say", "mic", "half_duplex", "barge_in", "silence", "rate", "reconnect"),
    *("prompt", "voice", "language", "max_context", "user_identity", "agent_config"),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--provider", metavar="ID", help="Whose protocol.  [the scenario's, else lokutor]")
@click.option("--scenario", metavar="FILE", help="What to say and when, and what to expect.")
@click.option(
    "--url",
    default="http://127.0.0.1:8090",
    show_default=True,
    help="The server's base, or the provider's start URL.",
)
@click.option(
    "--key", metavar="KEY", help="API key; else --key-file, else EMU_KEY.  [local, on this machine]"
)
@click.option("--key-file", metavar="FILE", help="A file that holds the key.")
@click.option("--agent", default="", metavar="ID", help="Which agent is to answer.")
@click.option(
    "--say",
    multiple=True,
    metavar="FILE|NAME",
    help="A turn: an audio file or a prompt; may be repeated.  [hello]",
)
@click.option("--mic", is_flag=True, help="Speak through the microphone.")
@click.option("--play", is_flag=True, help="Play the agent through the loudspeaker.")
@click.option("--half-duplex", is_flag=True, help="Send silence while the agent sounds.")
@click.option("--barge-in", type=float, metavar="SECONDS", help="Interrupt the agent after so long.")
@click.option(
    "--silence",
    default="continuous",
    show_default=True,
    metavar="MODE",
    help="Between turns: continuous, keepalive:N (seconds), suppress.",
)
@click.option("--rate", type=int, metavar="HZ", help="Sending rate.  [the provider's]")
@click.option(
    "--prompt", metavar="TEXT", help="Session setting, where the provider has it; so the next three."
)
@click.option("--voice", metavar="NAME")
@click.option("--language", metavar="CODE")
@click.option("--max-context", type=int, metavar="N")
@click.option("--user-identity", metavar="U", help="Who joins, where calls are held in rooms.  [emu-client]")
@click.option("--agent-config", metavar="FILE", help="A JSON file: agentConfig, so there too.")
@click.option(
    "--reconnect", type=click.IntRange(0), default=0, metavar="N", help="New sessions after a lost line."
)
@click.option("--record", is_flag=False, flag_value=RECORDINGS, metavar="[DIR]", help="Record the call.")
@click.option(
    "--fail-on",
    type=click.Choice(["finding", "never"]),
    default="never",
    help="Exit code 1 when what was sent is against the provider's page.  [never]",
)
@click.option("--limit", type=float, metavar="SECONDS", help="Hang up after so long.  [3600]")
@click.option("--insecure", is_flag=True, help="Go on without TLS where the provider says so.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout, the summary last.")
@click.pass_context
def client(ctx: click.Context, /, **options: Any) -> None:
    """Place a call with the reference client.

    Exit codes: 0 done; 1 no answer, no barge-in where one was asked for, or an expectation that was not met;
    2 usage; 3 cannot connect, refused or lost; 4 the provider broke its protocol; 5 the call went well and
    its recording did not; 130 interrupted.
    """
    import os

    from voxemu_client.calling import call

    if options["scenario"] is not None:
        _refuse_beside_scenario(ctx)
    own_process = ctx.find_root().obj is True
    raise SystemExit(call(options, key_of(options, os.environ), own_process=own_process))


def _refuse_beside_scenario(ctx: click.Context) -> None:
    """Raises UsageError for flags that say what a scenario says."""
    said = [
        "--" + name.replace("_", "-")
        for name in SAID_BY_SCENARIO
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if said:
        raise UsageError(f"a scenario says what the user does: leave {', '.join(said)} out")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("scenario", metavar="SCENARIO")
@click.option("--provider", metavar="ID", help="Whose protocol.  [the scenario's]")
@click.option(
    "--record", is_flag=False, flag_value=RECORDINGS, metavar="[DIR]", help="Record the call below DIR."
)
@click.option(
    "--end",
    type=click.Choice(["caller", "provider", "both"]),
    default="caller",
    show_default=True,
    help="Whose recording.",
)
@click.option("--latency", type=click.FloatRange(0, 10_000), metavar="MS", help="Of the pretend network.")
@click.option("--jitter", type=click.FloatRange(0, 10_000), metavar="MS", help="At most, on top of it.")
@click.option(
    "--loss", type=click.FloatRange(0, 1, max_open=True), metavar="P", help="Share of messages sent twice."
)
@click.option("--cut", type=click.FloatRange(0, min_open=True), metavar="S", help="Cut the line there.")
@click.option("--seed", type=int, metavar="N", help="Of noise, jitter and loss.  [the scenario's]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def rehearse(**options: Any) -> None:
    """Run a scenario in virtual time: both ends, the real codecs, no sockets.

    Exit codes: 0 every expectation was met; 1 one was not, or a fault kept the call from starting; 2 usage.
    """
    from voxemu_client.rehearsal_run import run

    raise SystemExit(run(options))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--update", is_flag=True, help="Rewrite what differs, and show what changed.")
@click.option("--junit", metavar="FILE", help="Write the outcome for a build server.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def check(**options: Any) -> None:
    """Rehearse golden recordings again and compare them to the sample.

    A PATH is a golden's folder or one that holds some; ./recordings where none is given.

    Exit codes: 0 all are the same; 1 one differs, and what was received lies beside it; 2 usage, or a file
    that cannot be read; 5 nothing to check.
    """
    import os

    from voxemu_client.check_run import run

    raise SystemExit(run(options, os.environ))


@click.command("load", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--provider", metavar="ID", help="Whose protocol.  [the scenario's, else lokutor]")
@click.option(
    "--url",
    default="http://127.0.0.1:8090",
    show_default=True,
    help="The server's base, or the provider's start URL.",
)
@click.option(
    "--sessions", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="At once."
)
@click.option(
    "--ramp",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds over which they are placed.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds that all are held after it.",
)
@click.option("--scenario", metavar="FILE", help="What each session does, again and again.")
@click.option(
    "--key", metavar="KEY", help="API key; else --key-file, else EMU_KEY.  [local, on this machine]"
)
@click.option("--key-file", metavar="FILE", help="A file that holds the key.")
@click.option("--agent", default="", metavar="ID", help="Which agent is to answer.")
@click.option(
    "--processes",
    type=click.IntRange(0),
    default=0,
    metavar="P",
    help="That place the calls.  [one a core; one less for a server on this machine]",
)
@click.option("--json", "json_file", metavar="FILE", help="Write the report there as JSON.")
@click.option("--i-own-this-target", is_flag=True, help="The server on another machine is mine.")
def load(**options: Any) -> None:
    """Place many calls at once, and say how a server bears them.

    The first Ctrl-C ends the calls, the second one at once.

    Exit codes: 0 all sessions were held; 1 some failed; 2 usage; 3 none was let in; 4 the server broke the
    protocol; 130 interrupted.
    """
    import os

    from voxemu_client.load.run import run

    raise SystemExit(run(options, key_of(options, os.environ)))


def key_of(options: Any, environ: Any) -> str | None:
    """The key that was given, stripped. Raises UsageError."""
    if options["key"] is not None and options["key_file"] is not None:
        raise UsageError("give --key or --key-file, not both")
    if options["key_file"] is None:
        given = options["key"] if options["key"] is not None else environ.get("EMU_KEY")
        return None if given is None else str(given).strip()
    try:
        return Path(options["key_file"]).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UsageError(f"--key-file {options['key_file']} cannot be read: {reason}") from error


def main() -> None:
    """``python -m voxemu_client``."""
    import sys

    from voxemu.errors import VoxemuError

    try:
        client.main(prog_name="emu client")
    except VoxemuError as error:
        click.echo(f"emu client: {error}", err=True)
        sys.exit(2)
