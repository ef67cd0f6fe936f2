"""Commands. Thin: each reads its options, calls ``api`` and writes what comes back.

Results go to standard output or the named place, messages to standard error. Exit codes: 0 done, and all right; 1 a
check failed; 2 input that could not be read or understood, a result that could not be written, or wrong usage.
Heavy imports wait until a command needs them, so ``--help`` and ``--version`` are quick.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symbackprop import console
from symbackprop.console import DONE, FAILED, MISUSED, Progress
from symbackprop.errors import OutputError, SpecError, SymbackpropError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from symbackprop.api import Derived
    from symbackprop.document.options import Options
    from symbackprop.network import Network

LEVELS = ("scalar", "index", "matrix")
PARTS = ("solutions", "exercises", "numbers", "code")
"""What a handout can go without."""
DERIVE_TO = ("tex", "pdf", "html", "slides", "md", "ipynb")
STYLES = ("teaching",)
STYLES_LATER = ("fast",)
TARGETS = ("numpy",)
NAMED = {"slides": "-slides.tex", "slides.pdf": "-slides.pdf", "fragment": "-fragment.tex"}
"""Ends of the names of files, where they are not the format."""
FORMATS = ("text", "json", "github", "sarif", "html")
"""Forms of what verify says."""
STAGES = ("derivation", "gradient check", "handout", "typesetting", "writing")
"""What ``build`` does with each network, in order."""
ENDINGS = (".tex", ".pdf", ".html", "-slides.tex", "-slides.pdf", ".ipynb", ".py", ".toml")
"""What ``build`` writes: the ends of its files' names, in the order it says so."""


def main() -> None:
    """Run a command and leave with its exit code; whatever goes wrong is one message, never a traceback."""
    console.guard()
    sys.exit(console.run(lambda: commands.main(prog_name="symbackprop", standalone_mode=False)))


class _Commands(click.Group):
    """A group that names the nearest command for an unknown one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            message = f"no command '{args[0]}'; {nearest(args[0], self.list_commands(ctx))}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


def _installed() -> str:
    """The version that is installed."""
    try:
        return importlib.metadata.version("symbackprop")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if not wanted or ctx.resilient_parsing:
        return
    console.write(f"symbackprop {_installed()}\n")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def commands() -> None:
    """Backpropagation derived on paper: handouts, code and checks from one network file.

    NET is a network file (TOML) or a shorthand such as mlp:4-2-3.

    \b
    Example:
      symbackprop build mlp:4-2-3 -o out
    """


# ---------------------------------------------------------------------------------------------------------------------
# Options that several commands share


_net = click.argument("net")
_notation = click.option(
    "--notation", metavar="P", help="How formulas are written and arrays are laid out; see 'symbackprop notations'."
)
_seed = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed of the values drawn."
)


_CHOICES = (
    click.option("--levels", default=",".join(LEVELS), show_default=True, help="Levels to derive at."),
    click.option("--audience", default="full", show_default=True, help="full: all steps; reference: a short sheet."),
    click.option(
        "--target",
        "target_entry",
        metavar="ENTRY",
        default="",
        help="The entry that is followed along its paths, such as 'W1[1,2]'; default: the first.",
    ),
    click.option("--without", metavar="PART", multiple=True, help=f"Leave out {', '.join(PARTS)}; repeatable."),
    click.option("--paper", default="a4", show_default=True, help="a4 or letter."),
    click.option("--title", default="", help="A title instead of the network's."),
    click.option("--course", default="", help="Name of the course, printed at the top."),
    click.option("--author", default="", help="Name of the lecturer, printed at the top."),
    click.option("--date", default="", help="A date, printed at the top."),
)
"""What is chosen of a handout."""


def _handout(command: Callable[..., int]) -> Callable[..., int]:
    """Options of a command that makes a handout, collected into one record ``options``."""

    @functools.wraps(command)
    def collected(  # noqa: PLR0913 - a flag for each choice
        *,
        levels: str,
        audience: str,
        target_entry: str,
        paper: str,
        title: str,
        course: str,
        author: str,
        date: str,
        without: tuple[str, ...],
        **rest: Any,
    ) -> int:
        from symbackprop.document.options import Options

        for part in without:
            _supported("part", part, PARTS)
        chosen = Options(
            levels=_chosen_levels(levels),
            audience=audience,
            target=target_entry,
            paper=paper,
            title=title,
            course=course,
            author=author,
            date=date,
            **{part: part not in without for part in PARTS},
        )
        return command(options=chosen, **rest)

    for option in reversed(_CHOICES):
        collected = option(collected)
    return collected


def _chosen_levels(text: str) -> tuple[str, ...]:
    """Levels named with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _supported(kind: str, value: str, now: Sequence[str], later: Sequence[str] = ()) -> None:
    if value in now:
        return
    if value in later:
        message = f"{kind} '{value}' is not yet supported; supported: {', '.join(now)}"
        raise UnsupportedError(message)
    message = f"no {kind} '{value}'; {nearest(value, (*now, *later))}"
    raise SpecError(message)


def _load(net: str) -> Network:
    from symbackprop import api

    network = api.load(net)
    for warning in network.warnings:
        console.complain(f"warning: {network.source}: {warning}" if network.source else f"warning: {warning}")
    return network


def _derive(net: str, notation: str | None) -> Derived:
    from symbackprop import api

    return api.derive(_load(net), notation, relay=notation is not None)


def _inputs(nets: Sequence[str]) -> list[Path]:
    return [Path(net) for net in nets if Path(net).is_file()]


def _deliver(content: str | bytes, output: str | None, filename: str, net: str) -> None:
    """A result to standard output, or to the named file or folder."""
    from symbackprop.output import Staged, place

    if output is None or output == "-":
        console.write(content)
        return
    with Staged(_inputs([net])) as files:
        files.add(place(output, filename), content)


# ---------------------------------------------------------------------------------------------------------------------
# The commands


@commands.command(short_help="Handout, code and gradient check: the main job.")
@click.argument("nets", metavar="NET...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DIR", required=True, help="Folder for the results; made if missing.")
@_notation
@_handout
@_seed
def build(nets: tuple[str, ...], output: str, notation: str | None, options: Options, seed: int) -> int:
    """Handout, code, network file and gradient check of every NET: the main job.

    Writes NAME.tex, NAME.pdf (by TeX, or by the extra [pdf] where there is none), NAME.html, NAME-slides.tex (with TeX,
    also NAME-slides.pdf), NAME.ipynb, NAME.py and NAME.toml into DIR, and prints what it wrote and the check of the
    code against numeric gradients.

    \b
    Example:
      symbackprop build network.toml mlp:4-2-3 -o out
    """
    from symbackprop import typeset

    with Progress(len(STAGES) * len(nets) + 1) as bar:
        bar.step("reading")
        loaded = [_load(net) for net in nets]
        _refuse_equal_names([network.name for network in loaded])
        _refuse_own_inputs(loaded, output, nets)
        codes = [_build_one(network, output, notation, options, seed=seed, nets=nets, bar=bar) for network in loaded]
    if typeset.maker() is None:
        console.complain(f"no PDF was made: {typeset.HOW_TO}")
    return max(codes)


def _build_one(  # noqa: PLR0913 - the options of one command
    network: Network,
    output: str,
    notation: str | None,
    options: Options,
    *,
    seed: int,
    nets: Sequence[str],
    bar: Progress,
) -> int:
    from symbackprop import api, typeset
    from symbackprop.output import Staged

    steps = iter(STAGES)
    bar.step(f"{network.name}: {next(steps)}")
    derived = api.derive(network, notation, relay=notation is not None)
    bar.step(f"{network.name}: {next(steps)}")
    material = api.material(derived, options, seed=seed)
    source, report = material.code, material.report
    if not report.passed:
        bar.pause()
        console.write(f"{network.name}\n{_indented(str(report))}\n")
        console.complain(f"{network.name}: the gradient check failed, so nothing was written")
        return FAILED
    bar.step(f"{network.name}: {next(steps)}")
    parts = (derived, options, material)
    results: dict[str, str | bytes] = {
        ".tex": api.handout_latex(*parts),
        ".html": api.handout_html(*parts),
        "-slides.tex": api.handout_slides(*parts),
        ".ipynb": api.handout_notebook(*parts),
        ".py": source,
        ".toml": network.toml,
    }
    bar.step(f"{network.name}: {next(steps)}")
    start = time.monotonic()
    for ending, content in typeset.at_once(_pdf_makers(results, functools.partial(api.handout_pdf, *parts))).items():
        if isinstance(content, OutputError):
            console.complain(f"{network.name}{ending} was not made: {content}")
        else:
            results[ending] = content
    bar.step(f"{network.name}: typeset in {time.monotonic() - start:.1f} s, {next(steps)}")
    made = {ending: Path(output) / f"{network.name}{ending}" for ending in ENDINGS if ending in results}
    with Staged(_inputs(nets)) as files:
        for ending, path in made.items():
            files.add(path, results[ending])
    bar.pause()
    heading = f"{console.styled(network.name, bold=True)}: wrote {', '.join(map(str, made.values()))}"
    console.write(f"{heading}\n{_indented(str(report))}\n")
    return DONE


def _pdf_makers(texts: Mapping[str, str | bytes], handout: Callable[[], bytes]) -> dict[str, Callable[[], bytes]]:
    """What makes the PDFs that can be made here: with TeX those of all LaTeX files, else that of the handout."""
    from symbackprop import typeset

    if typeset.maker() == "pdflatex":
        made = {ending: str(text) for ending, text in texts.items() if ending.endswith(".tex")}
        return {f"{end[:-4]}.pdf": functools.partial(typeset.from_latex, text) for end, text in made.items()}
    return {".pdf": handout} if typeset.maker() else {}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _refuse_equal_names(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            message = f"two networks are called '{name}', so their results would overwrite each other; rename one"
            raise SpecError(message)
        seen.add(name.casefold())


def _refuse_own_inputs(networks: Sequence[Network], output: str, nets: Sequence[str]) -> None:
    from symbackprop.output import refuse_inputs

    for network in networks:
        for ending in ENDINGS:
            refuse_inputs(Path(output) / f"{network.name}{ending}", _inputs(nets))


@commands.command(short_help="The derivation alone, in the terminal or as a handout.")
@_net
@click.option(
    "--to",
    "target",
    metavar="FORMAT",
    help=f"{', '.join(DERIVE_TO)}; default: by the name of PATH, else the terminal.",
)
@click.option("-o", "--output", metavar="PATH", help="File, or folder where it ends in / or is one.")
@click.option("--fragment", is_flag=True, help=r"LaTeX without a preamble, to \input into another document.")
@_notation
@_handout
def derive(  # noqa: PLR0913, PLR0917 - options of a command
    net: str,
    target: str | None,
    output: str | None,
    fragment: bool,  # noqa: FBT001 - a flag
    notation: str | None,
    options: Options,
) -> int:
    """The derivation of all gradients of NET, readable in the terminal, or as a handout.

    Slides are LaTeX, or a PDF where PATH ends in .pdf.

    \b
    Examples:
      symbackprop derive mlp:4-2-3 --levels index,matrix
      symbackprop derive network.toml --to pdf -o handout.pdf
      symbackprop derive network.toml --to slides -o slides.pdf
    """
    from symbackprop import typeset

    if target is None and output is not None:
        target = Path(output).suffix.removeprefix(".") or "tex"
    if target is not None:
        _supported("format", target, DERIVE_TO)
        if target == "pdf" and typeset.maker() is None:
            message = f"nothing here makes a PDF; {typeset.HOW_TO}, or write --to tex or html"
            raise UnsupportedError(message)
    if target == "slides" and output is not None and output.endswith(".pdf"):
        typeset.need_latex()
        target = "slides.pdf"
    if fragment:
        if target not in {None, "tex"}:
            message = f"--fragment is LaTeX, so it does not go with --to {target}"
            raise SpecError(message)
        target = "fragment"
    from symbackprop import api

    derived = _derive(net, notation)
    if target is None:
        console.write(api.terminal(derived, options))
        return DONE
    material = api.material(derived, options)
    if not material.report.passed:
        console.complain(
            f"{derived.network.name}: the gradient check failed, so nothing was written\n{material.report}"
        )
        return FAILED
    content = api.HANDOUTS[target](derived, options, material)
    _deliver(content, output, derived.network.name + NAMED.get(target, f".{target}"), net)
    return DONE


@commands.command(short_help="The NumPy code alone.")
@_net
@click.option("-o", "--output", metavar="FILE", help="File, or folder where it ends in / or is one.")
@click.option("--style", default="teaching", show_default=True, help="teaching: line by line as the handout.")
@click.option("--target", default="numpy", show_default=True, help="Language or library of the code.")
@_notation
def code(net: str, output: str | None, style: str, target: str, notation: str | None) -> int:
    """NumPy code of NET's loss and all gradients.

    \b
    Example:
      symbackprop code mlp:4-2-3 -o mlp.py
    """
    _supported("style", style, STYLES, STYLES_LATER)
    if target not in TARGETS:
        message = f"target '{target}' is not yet supported; supported: {', '.join(TARGETS)}"
        raise UnsupportedError(message)
    derived = _derive(net, notation)
    _deliver(derived.code(), output, f"{derived.network.name}.py", net)
    return DONE


@commands.command(short_help="The gradient check alone.")
@_net
@_seed
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
@_notation
def check(net: str, seed: int, as_json: bool, notation: str | None) -> int:  # noqa: FBT001 - a flag
    """Gradient check of NET's code: a row a parameter, with the error and the way it was measured.

    \b
    Example:
      symbackprop check network.toml --seed 3
    """
    report = _derive(net, notation).check(seed=seed)
    if as_json:
        console.write(json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        verdict = "passed" if report.passed else "FAILED"
        verdict = console.styled(verdict, fg="green" if report.passed else "red", bold=True)
        console.write(f"{report.network}: {verdict}\n{_indented(str(report))}\n")
    return DONE if report.passed else FAILED


@commands.command(short_help="Judge hand derivations.")
@click.argument("files", metavar="FILE...", nargs=-1)
@click.option("--net", help="Network file (or shorthand) that the claims are about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@click.option("--no-fix", is_flag=True, help="Do not search for corrections.")
@click.option("--strict", is_flag=True, help="Count conventions as wrong.")
@click.option("--require", metavar="LIST", default="", help="Claims that must be there, such as dC/dW,dC/db.")
@click.option("--format", "form", default="text", show_default=True, help="text, json, github, sarif or html.")
@click.option("--annotate", metavar="OUT.tex", help="Also write a copy of the document with notes behind its claims.")
@click.option("--verbose", is_flag=True, help="Show the claims that are right, too.")
@click.option("--explain", metavar="CODE", help="Explain a code such as SB203, with an example, and stop.")
def verify(  # noqa: PLR0913, PLR0917 - options of a command
    files: tuple[str, ...],
    net: str | None,
    as_json: bool,  # noqa: FBT001 - a flag
    no_fix: bool,  # noqa: FBT001 - a flag
    strict: bool,  # noqa: FBT001 - a flag
    require: str,
    form: str,
    annotate: str | None,
    verbose: bool,  # noqa: FBT001 - a flag
    explain: str | None,
) -> int:
    """Judge hand derivations: FILE is LaTeX, Markdown, a notebook or Python, or - for standard input.

    Exit code 1 if a claim is wrong, else 2 if one could not be read or decided, else 0.

    \b
    Example:
      symbackprop verify homework.tex --net network.toml
    """
    from symbackprop.verify import codes

    if explain is not None:
        try:
            console.write(codes.explain(explain))
        except KeyError as error:
            raise SpecError(str(error.args[0])) from None
        return DONE
    _supported("format", form, FORMATS)
    if not files:
        message = "verify needs a FILE: a document (.tex, .md, .ipynb), a program (.py), or - for standard input"
        raise SpecError(message)
    if annotate is not None and len(files) != 1:
        message = "--annotate writes one copy, so it goes with one FILE"
        raise SpecError(message)
    return _verified(
        files, net, "json" if as_json else form, annotate,
        fix=not no_fix, strict=strict, verbose=verbose, require=[part for part in require.split(",") if part.strip()],
    )  # fmt: skip


def _verified(  # noqa: PLR0913 - options of a command
    files: Sequence[str],
    net: str | None,
    form: str,
    annotate: str | None,
    *,
    fix: bool,
    strict: bool,
    verbose: bool,
    require: Sequence[str],
) -> int:
    from symbackprop.verify import report, sarif
    from symbackprop.verify.run import run

    reports, unread = [], []
    with Progress(len(files)) as bar:
        for file in files:
            bar.step(f"judging {file}")
            try:
                reports.append(run(file, net=net, fix=fix, require=require))
            except SymbackpropError as error:
                unread.append(str(error))
    for each in reports:
        if not each.diagnostics:
            console.complain(f"{each.file}: no claims found")
        if form == "json":
            console.write(json.dumps(each.as_dict(), indent=2, ensure_ascii=False) + "\n")
        elif form == "github":
            console.write(report.github(each.file, each.diagnostics, strict=strict))
        elif form == "html":
            console.write(each.html())
        elif form == "text" and each.diagnostics:
            console.write(each.terminal(verbose=verbose))
    if form == "sarif":
        log = sarif.log(((each.file, each.diagnostics) for each in reports), _installed(), strict=strict)
        console.write(json.dumps(log, indent=2, ensure_ascii=False) + "\n")
    for message in unread:
        console.complain(message)
    if annotate is not None and reports:
        _deliver(reports[0].annotated(), annotate, Path(files[0]).name, files[0])
    exits = {MISUSED if unread else DONE, *(each.exit_code(strict=strict) for each in reports)}
    return FAILED if FAILED in exits else max(exits)


@commands.command(short_help="Ways of writing there are.")
def notations() -> int:
    """The notations there are: how each writes formulas and lays out arrays.

    \b
    Example:
      symbackprop notations
    """
    from symbackprop import notation

    lines = []
    for name in notation.names():
        preset = notation.load(name)
        default = " (default)" if name == notation.DEFAULT else ""
        lines += [f"{console.styled(name, bold=True)}{default}: {preset.title}", f"    {preset.description}"]
    console.write("\n".join(lines) + "\n")
    return DONE


@commands.command(short_help="Functions and layers there are.")
def layers() -> int:
    """Functions and layers that a network's forward text may call.

    \b
    Example:
      symbackprop layers
    """
    from symbackprop import catalogue

    for title, rows in catalogue.sections():
        console.write(f"{console.styled(title, bold=True)}\n")
        width = max(len(name) for name, _ in rows)
        console.write("".join(f"  {name.ljust(width)}  {text}".rstrip() + "\n" for name, text in rows))
    return DONE
