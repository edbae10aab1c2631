"""`make fuzz`: every target under atheris, one after the other, from its seeds and from what earlier runs came by.

`run` gives each target its share of the seconds, `replay` plays files of `found` again without atheris."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

import click

HERE = Path(__file__).parent
FOUND, CORPUS = HERE / "found", HERE.parents[1] / ".fuzz"
LONGEST, SECONDS_EACH, MEGABYTES = 1 << 16, 20, 2000
"""Bytes of an input; how long a parser may be at one, and how much it may hold."""


@click.group()
def fuzz() -> None:
    """Fuzzes the parsers."""


@fuzz.command()
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True, help="For all targets together.")
@click.option("--only", multiple=True, metavar="TARGET", help="May be repeated.")
def run(seconds: int, only: tuple[str, ...]) -> None:
    """Fuzzes each target; exit code 1 where one failed."""
    from .targets import TARGETS

    chosen = [target for target in TARGETS if target.name in only or not only]
    if not chosen:
        raise click.UsageError(f"the targets are {', '.join(target.name for target in TARGETS)}")
    failed = []
    for target in chosen:
        corpus, found = CORPUS / target.name, FOUND / target.name
        corpus.mkdir(parents=True, exist_ok=True)
        found.mkdir(parents=True, exist_ok=True)
        before = set(found.iterdir())
        with tempfile.TemporaryDirectory() as seeds:
            for number, seed in enumerate(target.seeds()):
                (Path(seeds) / str(number)).write_bytes(seed)
            done = subprocess.run([
                sys.executable, "-m", "tests.fuzz", "target", target.name, str(corpus), seeds, str(found),
                f"-max_total_time={max(1, seconds // len(chosen))}", f"-max_len={LONGEST}", f"-timeout={SECONDS_EACH}",
                f"-rss_limit_mb={MEGABYTES}", f"-artifact_prefix={found}/", "-verbosity=0", "-print_final_stats=1"],
                check=False, capture_output=True, text=True, errors="replace", cwd=HERE.parents[1])
        said = done.stdout + done.stderr
        runs = said.partition("stat::number_of_executed_units: ")[2].partition("\n")[0]
        new = sorted(set(found.iterdir()) - before)
        click.echo(f"{target.name}: {runs or 'no'} inputs" + "".join(f"; failed on {path}" for path in new))
        if done.returncode != 0:
            failed.append(target.name)
            click.echo(said[-4000:], err=True)
        if not any(found.iterdir()):
            found.rmdir()
    raise SystemExit(1 if failed else 0)


@fuzz.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("rest", nargs=-1)
def target(name: str, rest: tuple[str, ...]) -> None:
    """One target, with libFuzzer's own arguments."""
    import atheris

    with atheris.instrument_imports(include=["ledger", "consumers"]):
        from .mutations import mutated
        from .targets import TARGETS

    check = next(one.check for one in TARGETS if one.name == name)

    def changed(text: bytes, longest: int, seed: int) -> bytes:
        dice = Random(seed)
        found = mutated(text, dice) if dice.random() < 0.5 else atheris.Mutate(text, longest)
        return bytes(found[:longest])

    atheris.Setup([sys.argv[0], *rest], check, custom_mutator=changed)
    atheris.Fuzz()


@fuzz.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def replay(files: tuple[Path, ...]) -> None:
    """Gives a file to the target that its folder names; the error is shown as it comes."""
    from .targets import TARGETS

    for file in files:
        next(one for one in TARGETS if one.name == file.parent.name).check(file.read_bytes())
        click.echo(f"{file}: no error any more")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        try:
            import atheris  # noqa: F401
        except ImportError:
            raise SystemExit("make fuzz needs atheris, which could not be installed for this Python "
                             f"({sys.version.split()[0]}, {os.uname().sysname}): take one that it has a wheel for; "
                             "`make test` gives the same targets to hypothesis") from None
    fuzz(prog_name="python -m tests.fuzz")
