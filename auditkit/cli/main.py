"""The command line: a table of commands, imported when asked for, and the one place that maps errors to exit codes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from auditkit.cli.signals import Stop, Terminated, heeded
from auditkit.core.errors import AuditkitError
from auditkit.core.files import TEMPORARY_PREFIX
from auditkit.core.version import __version__

#: name: (module:attribute, one line of help). The line stands here so that `--help` imports nothing else.
COMMANDS = {
    "run": ("auditkit.cli.run:command", "Audit what a plan describes."),
    "train": ("auditkit.cli.train:command", "Train the model that a plan describes."),
    "gate": ("auditkit.cli.gate:command", "Gate a file of predictions; needs no model."),
    "report": ("auditkit.cli.report:command", "Render a finished audit again."),
    "verify": ("auditkit.cli.verify:command", "Verify that a finished audit was not altered."),
    "keygen": ("auditkit.cli.keygen:command", "Make a key pair to sign audits with."),
    "checks": ("auditkit.cli.checks:checks", "List the checks."),
    "explain": ("auditkit.cli.checks:explain", "Say what a check measures, how, and its source."),
    "demo": ("auditkit.cli.demo:command", "Train and audit a model on real data, offline."),
}

_DISK = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than this process may write (ulimit -f)",
    errno.EIO: "the disk reports an error (EIO)",
}

EXIT_CODES = """\b
Exit codes: 0 every gate passed; 1 a gate failed; 2 the plan or command line is wrong; 3 not finished;
4 an input was refused; 5 a gate could not be decided; 130, 143 interrupted, terminated."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from auditkit.core.errors import nearest

            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="auditkit-ml", prog_name="auditkit")
@click.option("-q", "--quiet", is_flag=True, help="Only results and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More messages; tracebacks of internal errors.")
@click.pass_context
def cli(ctx: click.Context, quiet: bool, verbose: bool) -> None:
    """Audit deep models responsibly: evidence, intervals, verdicts, and a report that can be trusted."""
    ctx.obj = {"quiet": quiet, "verbose": verbose}


def entry() -> None:
    """The console script."""
    code = main(sys.argv[1:], last=True)
    for stream in (sys.stdout, sys.stderr):
        # What can't be written now can't be later: the interpreter would answer 120 in place of our own code.
        if stream is not None:
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def main(argv: Sequence[str], *, last: bool = False) -> int:
    """Run the command line; returns the exit code of the contract and never raises.

    `last`: the process ends with this; signals are no longer heeded afterwards.
    """
    try:
        with heeded(last=last) as stop:
            return _answer(argv, stop)
    except KeyboardInterrupt:  # between the last line of the work and the end of its guard
        return 130
    except Terminated:
        return 143


def _answer(argv: Sequence[str], stop: Stop) -> int:
    try:
        result = cli.main(args=list(argv), prog_name="auditkit", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the last line of defence: no traceback for users
        if stop.code is not None:
            return _stopped(stop.code)
        return _explained(error, argv)
    return result if isinstance(result, int) else 0


def _stopped(code: int) -> int:
    what = "interrupted" if code == 130 else "terminated"
    return _say(f"{what}; what was finished is kept, --resume goes on with it", code)


def _explained(error: BaseException, argv: Sequence[str]) -> int:
    """Say what went wrong; returns the exit code for it."""
    verbose = "-v" in argv[:2] or "--verbose" in argv[:2]
    try:
        raise error
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return 2
    except SystemExit:
        # Click's answer to a pipe that closed: nothing is lost where a help page was printed, all may be elsewhere.
        return 0 if {"-h", "--help", "--version"} & set(argv) or not argv else 3
    except (click.Abort, KeyboardInterrupt):
        return _stopped(130)
    except Terminated:
        return _stopped(143)
    except AuditkitError as error:
        return _say(str(error), error.exit_code)
    except MemoryError:
        return _say("out of memory; what was finished is kept, --resume goes on with it", 3)
    except OSError as error:
        return _say(_os_message(error), 3)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback for users, exit code 3
        if verbose:
            import traceback

            traceback.print_exc()
        return _say(f"internal error, please report it: {type(error).__name__}: {error} (--verbose shows where)", 3)


def _say(message: str, code: int) -> int:
    from auditkit.cli.output import tell
    from auditkit.cli.text import safe

    tell(f"auditkit: {safe(message)}")
    return code


def _os_message(error: OSError) -> str:
    name = str(error.filename or "")
    if os.path.basename(name).startswith(TEMPORARY_PREFIX):
        name = os.path.dirname(name)
    where = f" ({name})" if name else ""
    what = _DISK.get(error.errno or 0, error.strerror or str(error))
    return f"{what}{where}; what was finished is kept, --resume goes on with it"


def options_of(ctx: click.Context) -> dict[str, Any]:
    """The flags given before the command's name."""
    found: dict[str, Any] = ctx.find_root().obj or {"quiet": False, "verbose": False}
    return found
