"""``talkbench study``: ask people, and read what they said."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console, step
from evaluation.cli.log import log_json
from evaluation.plan import UnusableInputError
from leaderboards.study.key import KEY, QUESTIONS, Key


@click.group(short_help="Ask people: a blind rating site out of a run, and its results.")
def study() -> None:
    """User studies: clips of a run, rated blind in a browser, without a server.

    How a study is designed, what raters see and how numbers are made of it: docs/STUDIES.md.
    """


@study.command(short_help="A rating site that can be given to raters.")
@click.argument("run", type=options.Folder(), metavar="RUN")
@click.option(
    "-o", "--out", "root", required=True, type=options.Folder(), metavar="DIR", help="New."
)
@click.option(
    "--system", "systems", multiple=True, metavar="NAME", help="Rows (all, if not given)."
)
@click.option(
    "--question",
    "questions",
    multiple=True,
    type=click.Choice(list(QUESTIONS)),
    help="Asked of each clip, 1 to 5 (all four, if not given).",
)
@click.option("--no-questions", is_flag=True, help="Only pairs.")
@click.option(
    "--raters", type=click.IntRange(1, 10_000), default=24, show_default=True, help="Numbers."
)
@click.option("--ratings", type=click.IntRange(1), help="Clips a rater rates (all, if not given).")
@click.option(
    "--pairs", type=click.IntRange(0), default=0, show_default=True, help="Pairs a rater compares."
)
@click.option("--pair-question", metavar="TEXT", help="Asked of pairs.")
@click.option("--forced", is_flag=True, help='Without "no preference".')
@click.option("--no-checks", is_flag=True, help="No attention checks, no repeated clip.")
@click.option("--title", metavar="TEXT", help="As raters see it; must not name a system.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Makes the same study again. Keep it as secret as the key: names of files follow from it.",
)
@log_json
def make(
    run: Path,
    root: Path,
    systems: tuple[str, ...],
    questions: tuple[str, ...],
    no_questions: bool,
    raters: int,
    ratings: int | None,
    pairs: int,
    pair_question: str | None,
    forced: bool,
    no_checks: bool,
    title: str | None,
    seed: int | None,
) -> None:
    """Write DIR/site, which is all that raters need, and DIR/key.json, which they must not get.

    The site has no names of systems, neither in files nor in the page. It opens from disk or from
    any web server; answers stay in the browser until the rater downloads them.

    \b
    Examples:
      talkbench study make runs/mini -o study
      talkbench study make runs/mini -o study --question lip-sync --ratings 20 --pairs 10
    """
    from leaderboards.study.make import SITE, Wish
    from leaderboards.study.make import make as made_of

    if no_questions and questions:
        raise UnusableInputError("--question and --no-questions exclude each other")
    default = Wish()
    wish = Wish(
        title=title or default.title,
        systems=systems,
        questions=() if no_questions else questions or default.questions,
        raters=raters,
        ratings=ratings,
        pairs=pairs,
        pair_question=pair_question or default.pair_question,
        ties=not forced,
        checks=not no_checks,
        seed=seed,
    )
    with step("study make") as told:
        key = made_of(run, root, wish, told)
    samples = {c.sample for c in key.clips.values() if c.sample}
    trials = len(key.assignments[0])
    seconds = sum(key.clips[name].seconds for t in key.assignments[0] for name in t.clips)
    console.print(
        f"{len(key.systems)} systems on {len(samples)} samples for {raters} raters: {trials} "
        f"screens each, {seconds / 60:.1f} minutes of clips.\n"
        f"Give raters {root / SITE}, each with a name and a number of 1 to {raters} "
        f"(index.html#7 fills in the 7). Keep {root / KEY} to yourself.",
        highlight=False,
        soft_wrap=True,
    )
    for sample, why in key.left_out.items():
        console.print(f"left out: {sample}, {why}", style="yellow", markup=False)


@study.command(short_help="Numbers out of raters' result files.")
@click.argument("where", type=options.Folder(), metavar="STUDY")
@click.argument("files", nargs=-1, required=True, type=options.Folder(), metavar="RESULTS...")
@click.option("--run", type=options.Folder(), help="Hold its metrics against people.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
def read(where: Path, files: tuple[Path, ...], run: Path | None, form: str) -> None:
    """Mean opinions, preferences and agreement of raters; RESULTS are files, or folders of them.

    STUDY is the folder that `study make` wrote, or its key. Raters who broke a stated rule are left
    out and listed, and the numbers with them stand below. Files of another study, changed ones and
    copies do not count, and are listed with the reason. Exit code 1 where files do not count.

    \b
    Examples:
      talkbench study read study results/
      talkbench study read study results/ --run runs/mini --format json > study.json
    """
    from evaluation.results import build
    from leaderboards.study import printed
    from leaderboards.study.answers import read_answers
    from leaderboards.study.outcome import read as read_of
    from leaderboards.study.screening import screen

    key = Key.read(where)
    missing = [f for f in files if not f.exists()]
    if missing:
        raise UnusableInputError(f"{missing[0]} is not there")
    raters, refused = read_answers(key, files)
    if not raters:
        said = "; ".join(f"{r.file} {r.reason}" for r in refused[:5]) or "there are none"
        raise UnusableInputError(f"no result file of study {key.study} counts: {said}")
    results = None if run is None else build(run)
    found = read_of(key, screen(key, raters), refused, results)
    if form == "json":
        click.echo(printed.to_json(found), nl=False)
    else:
        printed.to_terminal(found, console)
    raise click.exceptions.Exit(int(bool(refused)))
