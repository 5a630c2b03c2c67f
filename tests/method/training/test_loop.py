"""Training as a whole: it learns, goes on where it was stopped, and is shared out."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock

from evaluation.cli import main
from evaluation.plan import UnusableInputError
from method.checkpoints import load_landmark_generator, load_renderer, trained_on
from method.renderer import Channels
from method.training.items import Items, Numbers, loader
from method.training.landmark_stage import LandmarkStage
from method.training.loop import STATE, Run, train
from method.training.prepared import open_prepared
from method.training.renderer_stage import RendererStage
from method.training.settings import LANDMARKS, RENDERER

pytestmark = [pytest.mark.assets, pytest.mark.data]

SMALL = dataclasses.replace(
    LANDMARKS["official"], layers=1, hidden=64, batch=2, steps=8, every=4, validated=4
)
SMALL_RENDERER = dataclasses.replace(
    RENDERER["tiny"],
    channels=Channels(fine=4, coarse=8, hidden=8),
    judge_width=4,
    warm_up_epochs=2,
    taps=1,
    batch=2,
    steps=6,
    every=3,
    validated=2,
)


@pytest.fixture
def no_matplotlib(monkeypatch, tmp_path):
    """As where it is not installed, here and in processes: drawing curves outlasts training."""
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    folder = tmp_path / "absent"
    folder.mkdir()
    (folder / "matplotlib.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(folder))


class StoppedError(RuntimeError):
    """Something outside ended the run."""


@pytest.fixture
def make(prepared, alone, tmp_path, asset):
    """A run of a stage, in a folder of its own."""
    asset("lpips-vgg")

    def build(settings=SMALL, folder="run", precision="float32"):
        torch.manual_seed(0)
        kind = LandmarkStage if settings.__class__ is SMALL.__class__ else RendererStage
        stage = kind(settings, alone, precision)
        where = tmp_path / folder
        return Run(
            stage=stage,
            settings=settings,
            prepared=open_prepared(prepared),
            folder=where / "stage",
            checkpoint=where / stage.file,
            about={"settings": dataclasses.asdict(settings), "precision": precision},
        )

    return build


def rows(run, name="steps.csv"):
    """A curve, without what the clock says."""
    with (run.folder / name).open() as file:
        return [{k: v for k, v in r.items() if k != "seconds"} for r in csv.DictReader(file)]


def same_weights(a, b):
    a, b = (torch.load(run.checkpoint, weights_only=True)["state_dict"] for run in (a, b))
    return all(torch.equal(a[k], b[k]) for k in a)


def test_what_is_left_behind(make, alone):
    run = make()
    train(run, alone)
    assert {p.name for p in run.folder.iterdir()} == {
        *(".lock", "curves.png", "pictures", "state.pth"),
        *("steps.csv", "training.json", "validations.csv"),
    }
    assert {p.name for p in (run.folder / "pictures").iterdir()} == {
        "step00000004.png",
        "step00000008.png",
    }
    drawn = cv2.imread(str(run.folder / "pictures" / "step00000008.png"))
    assert drawn.max() > 200
    curves = cv2.imread(str(run.folder / "curves.png"))
    assert (curves < 200).any()
    loaded = load_landmark_generator(run.checkpoint)
    assert len(loaded.fusion.encoder.layers) == 1
    assert trained_on(run.checkpoint) == ("grid",)
    for ours, again in zip(
        run.stage.network.state_dict().values(), loaded.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, again)


@pytest.mark.usefixtures("no_matplotlib")
class TestLandmarks:
    def test_the_loss_falls_and_so_does_the_distance(self, make, alone):
        settings = dataclasses.replace(
            SMALL, batch=4, steps=24, every=6, learning_rate=1e-3, dropout=0.0
        )
        run = make(settings)
        told = []
        assert train(run, alone, lambda *at: told.append(at)) == 24
        losses = [float(row["loss"]) for row in rows(run)]
        assert sum(losses[-6:]) < 0.3 * sum(losses[:6])
        judged = [float(row["lmd"]) for row in rows(run, "validations.csv")]
        assert len(judged) == 4
        assert judged[-1] < 0.7 * judged[0]
        assert told[-1][:2] == (24, 24)
        assert not (run.folder / "curves.png").exists()

    @pytest.mark.parametrize("at", [2, 6])
    def test_a_run_that_was_stopped_makes_the_same_curve(self, make, alone, at):
        straight = make(folder="straight")
        train(straight, alone)
        broken = make(folder="broken")

        def stop(done, *_):
            if done > at:
                raise StoppedError

        with pytest.raises(StoppedError):
            train(broken, alone, stop)
        assert len(rows(broken)) == at + 1
        again = make(folder="broken")
        assert train(again, alone) == 8 - at // 4 * 4
        assert rows(again) == rows(straight)
        assert rows(again, "validations.csv") == rows(straight, "validations.csv")
        assert same_weights(again, straight)

    def test_a_finished_run_has_nothing_to_do_and_can_be_made_longer(self, make, alone):
        train(make(), alone)
        assert train(make(), alone) == 0
        longer = make(dataclasses.replace(SMALL, steps=10))
        assert train(longer, alone) == 2
        straight = make(dataclasses.replace(SMALL, steps=10), folder="straight")
        train(straight, alone)
        assert rows(longer) == rows(straight)

    def test_another_run_is_not_gone_on_with(self, make, alone):
        train(make(), alone)
        with pytest.raises(UnusableInputError, match=r"learning_rate 0\.0001 and not 0\.5"):
            train(make(dataclasses.replace(SMALL, learning_rate=0.5)), alone)
        with pytest.raises(UnusableInputError, match="precision 'float32' and not 'bf16'"):
            train(make(precision="bf16"), alone)

    def test_a_damaged_state_is_named_and_nothing_is_lost(self, make, alone):
        run = make()
        train(run, alone)
        before = rows(run)
        (run.folder / STATE).write_bytes(b"half a file")
        with pytest.raises(UnusableInputError, match=r"state\.pth: cannot go on from it"):
            train(make(), alone)
        assert rows(run) == before

    def test_two_runs_in_one_folder(self, make, alone):
        run = make()
        run.folder.mkdir(parents=True)
        with (
            FileLock(run.folder / ".lock"),
            pytest.raises(UnusableInputError, match="is being written by another talkbench"),
        ):
            train(run, alone)

    def test_low_precision_is_close_to_the_full_one(self, make, alone):
        runs = {p: make(folder=p, precision=p) for p in ("float32", "bf16")}
        for run in runs.values():
            train(run, alone)
        first = {p: float(rows(run)[0]["loss"]) for p, run in runs.items()}
        assert first["bf16"] == pytest.approx(first["float32"], rel=0.03)
        assert first["bf16"] != first["float32"]


class TestRenderer:
    @pytest.mark.usefixtures("no_matplotlib")
    def test_the_loss_falls_and_the_checkpoint_paints_as_it_learned(self, make, alone):
        settings = dataclasses.replace(SMALL_RENDERER, steps=16, every=8, warm_up_epochs=0)
        run = make(settings)
        train(run, alone)
        losses = [float(row["loss"]) for row in rows(run)]
        assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
        loaded = load_renderer(run.checkpoint)
        items = Items(run.prepared, run.stage.draw, 0, training=False)
        (batch,) = loader(items, Numbers(range(1), 2), 0)
        names = ("face", "sketches", "ref_images", "ref_sketches", "mels")
        with torch.inference_mode():
            for ours, again in zip(
                run.stage.network.eval()(*(batch[n] for n in names)),
                loaded(*(batch[n] for n in names)),
                strict=True,
            ):
                torch.testing.assert_close(ours, again, atol=1e-5, rtol=0)

    def test_a_run_that_was_stopped_makes_the_same_curve(self, make, alone, monkeypatch):
        straight = make(SMALL_RENDERER, "straight")
        broken = make(SMALL_RENDERER, "broken")

        def stop(done, *_):
            if done == 5:
                raise StoppedError

        with monkeypatch.context() as here:
            here.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
            train(straight, alone)
            with pytest.raises(StoppedError):
                train(broken, alone, stop)
        again = make(SMALL_RENDERER, "broken")
        assert train(again, alone) == 3
        assert rows(again) == rows(straight)
        assert rows(again, "validations.csv") == rows(straight, "validations.csv")
        assert same_weights(again, straight)
        warm_up = 2 * (2 // SMALL_RENDERER.batch)
        assert [row["painted"] == "" for row in rows(again)] == [
            number < warm_up for number in range(6)
        ]
        curves = cv2.imread(str(again.folder / "curves.png"))
        assert (curves < 200).any()


PYTHON = (sys.executable, "-m", "evaluation.cli")


def command(prepared, out, *more):
    """The words after ``talkbench``."""
    settings = ("layers=1", "hidden=64", "batch=2", "every=4", "validated=4")
    return [
        *("train", "iplap-landmarks"),
        *("--data", str(prepared), "-o", str(out), "--steps", "12"),
        *(f"--set={x}" for x in settings),
        *more,
    ]


@pytest.fixture
def environment(no_matplotlib):
    return {**os.environ, "OMP_NUM_THREADS": "1", "TALKBENCH_DEVICE": "cpu"}


def curve(folder):
    with (folder / "iplap-landmarks" / "steps.csv").open() as file:
        return [(row["step"], row["loss"], row["l1"]) for row in csv.DictReader(file)]


def wait_for_rows(process, folder, count):
    path = folder / "iplap-landmarks" / "steps.csv"
    end = time.monotonic() + 120
    while not path.is_file() or len(path.read_text().splitlines()) <= count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


class TestSignals:
    @pytest.fixture(scope="class")
    @classmethod
    def straight(cls, prepared, tmp_path_factory):
        """The curve of a run that nobody stops."""
        folder = tmp_path_factory.mktemp("straight")
        with pytest.MonkeyPatch.context() as here:
            here.setenv("TALKBENCH_DEVICE", "cpu")
            here.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
            assert CliRunner().invoke(main, command(prepared, folder)).exit_code == 0
        return curve(folder)

    @pytest.mark.parametrize(
        ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)]
    )
    def test_a_killed_run_goes_on(
        self, prepared, tmp_path, environment, straight, number, code, monkeypatch
    ):
        process = subprocess.Popen(
            [*PYTHON, *command(prepared, tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_rows(process, tmp_path, 5)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        assert 5 <= len(curve(tmp_path)) < 12
        if number != signal.SIGKILL:
            assert "the same command goes on from here" in said
            kept = torch.load(tmp_path / "iplap-landmarks" / STATE, weights_only=True)
            assert kept["step"] == len(curve(tmp_path))
        monkeypatch.setenv("TALKBENCH_DEVICE", "cpu")
        done = CliRunner().invoke(main, command(prepared, tmp_path))
        assert done.exit_code == 0, done.output
        assert "12 in all" in done.stdout
        assert curve(tmp_path) == straight

    def test_ctrl_c_reaches_readers_too(self, prepared, tmp_path, environment, straight):
        """A terminal sends it to the whole group."""
        process = subprocess.Popen(
            [*PYTHON, *command(prepared, tmp_path, "--readers", "1")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for_rows(process, tmp_path, 5)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "Traceback" not in said
        kept = torch.load(tmp_path / "iplap-landmarks" / STATE, weights_only=True)
        assert kept["step"] == len(curve(tmp_path))
        assert curve(tmp_path) == straight[: kept["step"]]


class TestProcesses:
    def test_gradients_are_means_over_processes(self, tmp_path, environment):
        script = tmp_path / "means.py"
        script.write_text(
            textwrap.dedent("""
            import json, sys, torch
            from method.training.processes import processes
            with processes() as here:
                torch.manual_seed(here.rank)
                network = torch.nn.Linear(2, 1)
                shared = here.shared(network)
                shared(torch.full((1, 2), 1.0 + here.rank)).sum().backward()
                said = here.means({"loss": torch.tensor(3.0 * here.rank)})
                flags = [here.any(here.rank == 1), here.any(False)]
                here.wait()
                with open(f"{here.rank}.json", "w") as file:
                    json.dump([network.weight.tolist(), network.weight.grad.tolist(), said, flags],
                              file)
            """)
        )
        done = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
                *("--standalone", str(script)),
            ],
            env={**environment, "PYTHONPATH": str(Path.cwd())},
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
        assert one == other
        _weights, gradients, said, flags = one
        assert gradients == [[1.5, 1.5]]
        assert said == {"loss": 1.5}
        assert flags == [True, False]

    def test_two_processes_train_one_network(self, prepared, tmp_path, environment):
        shared = [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
            *("--standalone", "-m", "evaluation.cli"),
        ]
        for name, steps in (("straight", (8,)), ("halted", (4, 8))):
            for last in steps:
                done = subprocess.run(
                    [*shared, *command(prepared, tmp_path / name, "--steps", str(last))],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                assert done.stdout.count("in all. Checkpoint") == 1
        both = curve(tmp_path / "straight")
        assert len(both) == 8
        assert float(both[-1][1]) < 0.9 * float(both[0][1])
        assert curve(tmp_path / "halted") == both

    def test_a_batch_that_cannot_be_shared_out(self, make, alone):
        run = make(dataclasses.replace(SMALL, batch=3))
        with pytest.raises(UnusableInputError, match="a batch of 3 cannot be shared out among 2"):
            train(run, dataclasses.replace(alone, count=2))
