"""What a run measured here, as groups beside the published ones."""

from __future__ import annotations

from pathlib import Path

from evaluation.report.facts import cautions
from evaluation.report.numbers import decimals
from evaluation.results import Results, build
from leaderboards.boards import Entry, Group
from leaderboards.ledger import Published


def groups_of_run(run: Path, metric: str | None = None) -> list[Group]:
    """A group for every card of a run, best first.

    Ranks are the run's own: intervals, and none for rows with failed clips, references and anchors.

    Args:
        run: Folder of the run.
        metric: A card, a title or a family; every card if not given.

    Raises:
        RecordsError: No run there, or damaged.
    """
    return groups_of_results(build(run), metric)


def groups_of_results(results: Results, metric: str | None = None) -> list[Group]:
    """The same, of results that were built already."""
    groups, said = [], cautions(results)
    for spec in (m.spec for m in results.metrics):
        family = spec.name.split("@", 1)[0]
        if metric is not None and metric.lower() not in (family, spec.name, spec.title.lower()):
            continue
        found = [results.estimates[g, spec.name] for g in results.generators]
        digits = decimals(e.value for e in found if e.value is not None)
        rows = [
            _row(results, e.generator, spec.name, family, digits)
            for e in sorted(found, key=lambda e: e.value or 0, reverse=spec.direction == "higher")
            if e.value is not None
        ]
        if rows:
            ranking = results.rankings.get(spec.name)
            ranks = {s.generator: s.shown for s in ranking.standings} if ranking else {}
            groups.append(
                Group(
                    metric=spec.title,
                    direction=spec.direction,
                    source=f"measured here, {spec.id}",
                    split=str(results.manifest["suite"]["id"]),
                    setting=str(results.manifest["suite"].get("setting", "")),
                    pooled=False,
                    entries=tuple(Entry(row, ranks.get(row.system, "")) for row in rows),
                    cautions=said,
                )
            )
    return groups


def _row(results: Results, generator: str, card: str, family: str, digits: int) -> Published:
    estimate = results.estimates[generator, card]
    spec = results.manifest["generators"].get(generator, {})
    asked = estimate.n_scored + estimate.n_failed
    partial = f"{estimate.n_scored} of {asked} clips" if estimate.n_failed else ""
    return Published(
        system=generator,
        reference=spec.get("kind", "system") != "system",
        benchmark=str(results.manifest["suite"].get("dataset", "")),
        printed_benchmark="",
        split=str(results.manifest["suite"]["id"]),
        setting=str(results.manifest["suite"].get("setting", "")),
        metric=estimate.title,
        family=family,
        direction=estimate.direction,
        value=estimate.value if estimate.value is not None else float("nan"),
        value_to=None,
        measured_by="talkbench",
        paper="",
        paper_id="",
        table="",
        source="this run",
        grade="first-hand",
        protocol=f"{card}/{estimate.metric_version}",
        notes=partial,
        decimals=digits,
    )
