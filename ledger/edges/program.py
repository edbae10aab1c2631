"""A program on the command line: every error is one line and an exit code, and its streams may be closed, full or gone.

Exit codes of all programs: 2 wrong usage; 6 what is asked of cannot be reached; 70 a fault of this program; 74 standard
output cannot be written; 130 interrupted; 141 the reader of standard output has gone (as with SIGPIPE).
"""

import errno
import io
import os
import resource
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from gettext import gettext as _
from typing import Any

import click

from . import log
from .address import WrongAddress
from .memory import end_without_collecting
from .text import json_text, visible

USAGE, UNAVAILABLE, FAULT, NOT_WRITTEN, INTERRUPTED, NOBODY_READS = 2, 6, 70, 74, 130, 141


class OutputLost(Exception):
    """Standard output takes no more. `closed`: nobody reads it; else the text says why, such as a full disk."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or type(error).__name__)
        self.closed = error.errno == errno.EPIPE

    def __str__(self) -> str:
        return _("standard output was closed") if self.closed else \
            _("standard output could not be written ({why})").format(why=self.args[0])


class _Output(io.FileIO):
    """Says once that nothing can be written any more, and then swallows what still comes, so that
    nothing fails while it ends."""

    _lost = False

    def write(self, data: Any) -> int:
        if self._lost:
            return memoryview(data).nbytes
        try:
            while (written := super().write(data)) is None:  # a pipe that does not block, and is full
                select.select([], [self], [])
        except OSError as error:
            self._lost = True
            raise OutputLost(error) from None
        return written


def output(descriptor: int, encoding: str = "utf-8", errors: str = "strict",
           line_buffering: bool = False) -> io.TextIOWrapper:
    """A standard output that raises OutputLost where it cannot be written."""
    return io.TextIOWrapper(io.BufferedWriter(_Output(descriptor, "wb", closefd=False)), encoding,
                            errors, "\n", line_buffering)


class _NoInput(io.RawIOBase):
    """A standard input that was closed: an empty one would be taken for a file without lines."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> int:
        raise click.UsageError(_("standard input is closed: name a file, or write the lines to it"))


def _open_streams() -> None:
    """None of the three may be missing: the next file that is opened, such as a database, would take its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_NoInput()))
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the program runs
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    elif sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        old = sys.stdout
        sys.stdout = output(old.fileno(), old.encoding, old.errors or "strict", old.line_buffering)


def say(text: str, program: str = "", level: log.Level = "info") -> None:
    """One line on standard error, for people or as JSON (`ledger.edges.log`); where even that cannot be written,
    nothing."""
    try:
        click.echo(log.line(text, program, level), err=True)
    except OSError:
        return


def tell(text: str) -> None:
    """One line on standard output. Raises OutputLost."""
    click.echo(visible(text))


def tell_json(value: Any, indent: int | None = None) -> None:
    """One JSON value on standard output, exact. Raises OutputLost."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    click.echo(json_text(value, not utf8, indent))


class Printed:
    """What a command that records prints of each line. Where it cannot be printed any more the recording goes on, and
    `ended` says so."""

    def __init__(self) -> None:
        self._count = 0
        self._lost: OutputLost | None = None

    def __call__(self, print_: Callable[[], None]) -> None:
        if self._lost is None:
            try:
                print_()
                self._count += 1
            except OutputLost as lost:
                self._lost = lost

    def ended(self, program: str, outcomes: str) -> None:
        """`outcomes`: of all lines. Raises click's Exit where standard output is at fault,
        and not merely who read it."""
        if self._lost is not None:
            say(f"{self._lost} after {self._count} outcome{'' if self._count == 1 else 's'}; "
                f"every line was handled: {outcomes}", program, "error")
            if not self._lost.closed:
                raise click.exceptions.Exit(NOT_WRITTEN)


class Program(click.Group):
    """The group of a program's commands."""

    title = ""
    """Begins every message."""
    _given: Sequence[str] = ()
    """The arguments of this call."""

    def explained(self, error: Exception) -> tuple[Sequence[str], int] | None:
        """The lines that say what an error means to the caller, and the exit code; None where it is unforeseen."""
        if isinstance(error, WrongAddress):
            return [str(error)], USAGE
        if isinstance(error, UnicodeEncodeError) and any(
                "\ud800" <= one <= "\udfff" for one in "".join(self._given)):  # bytes that are not UTF-8
            return [_("an argument is no text in UTF-8")], USAGE
        if isinstance(error, OSError):
            about = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
            return [about + (error.strerror or type(error).__name__)], UNAVAILABLE
        return None

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, complete_var: str | None = None,
             standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        self._given = sys.argv[1:] if args is None else args
        _open_streams()
        log.choose()
        # a core dump would hold whatever this process has opened
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        try:
            code = self._ended(lambda: super(Program, self).main(args, prog_name, complete_var, False, **extra))
            sys.stdout.flush()
        except OutputLost as lost:
            code = self._lost(lost)
        end_without_collecting()
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            self._say(_("interrupted"))
            raise click.exceptions.Exit(INTERRUPTED) from None

    def _ended(self, act: Callable[[], Any]) -> int:
        """The exit code. Raises OutputLost."""
        try:
            done = act()
            return done if isinstance(done, int) else 0
        except OutputLost:
            raise
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        except click.Abort:
            self._say(_("interrupted"))
            return INTERRUPTED
        except click.ClickException as error:
            _show(error)
            return USAGE
        except Exception as error:
            lines, code = self.explained(error) or (
                [_("a fault of this program, please report it: {place}").format(place=fault(error))], FAULT)
            for line in lines:
                self._say(line)
            return code

    def _lost(self, lost: OutputLost) -> int:
        if lost.closed:
            return NOBODY_READS
        self._say(_("{lost}: the answer is not whole, ask again").format(lost=lost))
        return NOT_WRITTEN

    def _say(self, text: str) -> None:
        say(text, self.title, "error")


def _show(error: click.ClickException) -> None:
    """Usage and what is wrong with it; a choice that is missing is listed by click on lines of its own. Where nothing
    at all was asked for, the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        for line in error.format_message().splitlines():
            say(line, level="error")
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    with context.scope(cleanup=False) if context is not None else nullcontext():
        if context is not None:
            help_ = _("Try '{command} {option}' for help.").format(command=context.command_path, option="--help")
            for line in (*context.get_usage().splitlines(), help_, ""):
                say(line, level="error")
        text = error.format_message()
        first, *rest = text.splitlines() if isinstance(error, click.MissingParameter) else [text]
        say(_("Error: {message}").format(message=first), level="error")
        for line in rest:
            say(f"  {line.strip()}", level="error")


def fault(error: BaseException) -> str:
    """The kind and the place of an unforeseen error, never its message, which may hold personal data."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_globals.get('__name__', '?')}:{place.tb_lineno}" if place is not None else "?"
    return f"{type(error).__name__} at {where}"
