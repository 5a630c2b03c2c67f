"""What a number rests on, in clips."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.results import Estimate, Results


@dataclass(frozen=True, kw_only=True)
class Counts:
    """One cell's clips.

    Attributes:
        scored: With a value.
        failed: Without one, for a reason in the records.
        waiting: Samples of the run that have no record here yet.
        not_applicable: To which the metric does not apply.
        speakers: Distinct among the scored.
        frames: The value rests on.
    """

    scored: int
    failed: int
    waiting: int
    not_applicable: int
    speakers: int
    frames: int

    @property
    def asked(self) -> int:
        """Clips that should have a value."""
        return self.scored + self.failed + self.waiting

    @property
    def fraction(self) -> str:
        """``2/3``, empty where every clip is scored."""
        return f"{self.scored}/{self.asked}" if self.scored < self.asked else ""

    @property
    def full_fraction(self) -> str:
        """``3/3``."""
        return f"{self.scored}/{self.asked}"

    @property
    def rest(self) -> str:
        """What the fraction leaves out: ``1 not applicable, 1 failed``; empty where nothing is."""
        parts = (
            (self.failed, "failed"),
            (self.waiting, "not yet"),
            (self.not_applicable, "not applicable"),
        )
        return ", ".join(f"{n} {what}" for n, what in parts if n)


def counts(results: Results, estimate: Estimate | None) -> Counts:
    """Count one cell."""
    samples = len(results.manifest["samples"])
    if estimate is None:
        return Counts(scored=0, failed=0, waiting=samples, not_applicable=0, speakers=0, frames=0)
    recorded = estimate.n_attempted + estimate.n_not_applicable
    return Counts(
        scored=estimate.n_scored,
        failed=estimate.n_failed,
        waiting=max(0, samples - recorded),
        not_applicable=estimate.n_not_applicable,
        speakers=estimate.n_speakers,
        frames=estimate.n_frames,
    )
