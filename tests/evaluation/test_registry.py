"""Names: cards, families, near names, broken and doubled plug-ins."""

import tomllib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from evaluation import registry
from evaluation.registry import BrokenPluginError, UnknownNameError, load_generator, load_metrics

ROOT = Path(__file__).resolve().parents[2]

CARDS = (
    "psnr",
    "ssim@skimage-wang",
    "ssim@skimage-uniform",
    "ssim@piq",
    "lpips@alex-0.1",
    "lpips@vgg-0.1",
    "fid@pytorch-fid",
    "csim@sface",
    "lmd@vico",
)


def test_the_promised_cards_are_there_and_are_full_cards():
    for name, metric in zip(CARDS, load_metrics(CARDS), strict=True):
        spec = metric.spec
        assert spec.name == name
        assert spec.version
        assert spec.source
        assert len(spec.protocol) >= 4
        assert all(spec.protocol.values())
        assert spec.direction in ("higher", "lower")


@pytest.mark.parametrize(
    ("family", "card"),
    [
        ("ssim", "ssim@skimage-wang"),
        ("lpips", "lpips@alex-0.1"),
        ("fid", "fid@pytorch-fid"),
        ("csim", "csim@sface"),
        ("lmd", "lmd@vico"),
        ("psnr", "psnr"),
    ],
)
def test_a_family_means_its_default_card(family, card):
    assert [m.spec.name for m in load_metrics([family, card])] == [card]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sssim", "Did you mean ssim"),
        ("ssim@pic", "Did you mean ssim@piq"),
        ("ssim@nothing-like-it", "Cards of ssim: ssim@skimage-wang"),
        ("zzz", "Known: av-lag"),
    ],
)
def test_an_unknown_metric_has_near_names(name, words):
    with pytest.raises(UnknownNameError, match=words):
        load_metrics([name])


def test_an_unknown_generator_has_near_names():
    with pytest.raises(UnknownNameError, match="Did you mean still"):
        load_generator("stil")


@pytest.fixture
def foreign(monkeypatch):
    """Registered as well, by somebody else."""

    def add(group: str, name: str, value: str) -> None:
        real = entry_points

        def patched(**selection):
            found = list(real(**selection))
            if selection.get("group") == group:
                found.append(EntryPoint(name, value, group))
            return found

        monkeypatch.setattr(registry, "entry_points", patched)
        registry._points.cache_clear()

    yield add
    monkeypatch.undo()
    registry._points.cache_clear()


def test_a_broken_plugin_is_listed_and_raises_only_when_used(foreign):
    foreign("talkbench.metrics", "broken", "no_such_module:X")
    rows = {row.name: row for row in registry.listing("metrics")}
    assert "no_such_module" in rows["broken"].error
    assert rows["psnr"].error == ""
    assert load_metrics(["psnr"])
    with pytest.raises(BrokenPluginError, match=r"broken.*no_such_module"):
        load_metrics(["broken"])


def test_a_name_claimed_twice_is_refused(foreign):
    foreign("talkbench.metrics", "psnr", "metrics.fidelity:SSIM")
    with pytest.raises(BrokenPluginError, match=r"claimed by talkbench .* and by unknown package"):
        load_metrics(["psnr"])


def test_a_part_without_the_contract_is_refused(foreign):
    foreign("talkbench.generators", "wrong", "pathlib:Path")
    with pytest.raises(BrokenPluginError, match="without what a Generator has"):
        load_generator("wrong")


def test_what_is_installed_is_what_pyproject_declares():
    """Entry points come from installed metadata: after a change of pyproject, install again."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group, rows in declared.items():
        installed = {
            p.name: p.value
            for p in entry_points(group=group)
            if p.dist is not None and p.dist.name == "talkbench"
        }
        assert installed == rows, f"{group} differs: pip install -e . again"
