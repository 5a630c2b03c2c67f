"""(f) Wav2Lip against its official loop, on the same clip, weights and boxes.

The official side is the script's own ``main`` and ``face_detect``. Three things are put in its way:
known boxes instead of its detector (which is a row of its own), a network that is loaded already,
and a list where it writes frames to a file. The same three are put in the way of ours.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import click

from benchmarks import clips, plots
from benchmarks.frame import data, kind, rounds
from benchmarks.spending import BenchmarkError, device, in_turn, timed, versus
from benchmarks.tables import Row

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

CLONE = "git clone https://github.com/Rudrabha/Wav2Lip && git -C Wav2Lip checkout 5c90fa9"
APART = "largest difference"


@kind(
    "Wav2Lip against its official loop",
    partial(plots.sides, name="part"),
    quick={"rounds": 1, "frames": 10, "faces": 2},
    example="python -m benchmarks wav2lip --official Wav2Lip --frames 100",
)
@click.option(
    "--official",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"A clone: {CLONE}",
)
@data("the first clip of gt is driven by its own sound")
@click.option(
    "--frames", type=click.IntRange(8), default=100, show_default=True, help="Of the clip."
)
@click.option(
    "--faces", type=click.IntRange(1), default=16, show_default=True, help="Looked at for faces."
)
@rounds(3)
def wav2lip(official: Path, data: Path | None, frames: int, faces: int, rounds: int) -> list[Row]:
    """A clip by Wav2Lip, the official script's loop and ours: from boxes to frames, and faces.

    "Boxes to frames" reads clip and sound, makes the mel, cuts, renders and puts back; only finding
    faces and writing the file are left out. "Network alone" is one batch of its faces. "Faces" is
    S3FD, whose weights are made so that it is sure of a handful of boxes, as of a real face.
    Weights are random, the same for both. The last column is how far the results are apart, so that
    equal work is seen to be compared.
    """
    if not (official / "inference.py").is_file():
        raise click.UsageError(f"--official {official}: no clone of Wav2Lip; {CLONE}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = clips.clips_of(data or clips.hdtf_mini(folder / "panels"), 1)[0]
        video, sound, shots = _cut(clip, frames, folder)
        script = _imported(official, video, sound)
        weights = _weights(script.Wav2Lip())
        return [
            _boxes_to_frames(script, weights, video, sound, len(shots), rounds),
            _network(script, weights, rounds),
            _faces(script, shots[:faces], rounds),
        ]


def _cut(clip: Path, frames: int, folder: Path) -> tuple[Path, Path, np.ndarray]:
    """The start of a clip as a video and a sound file, and its frames, uint8 RGB."""
    import numpy as np

    from evaluation.audio import Audio
    from evaluation.video import FrameReader, probe, read_audio
    from evaluation.video_writer import Encoding, VideoWriter

    info = probe(clip)
    heard = read_audio(clip, 16000, mono=True)
    if heard is None:
        raise click.UsageError(f"{clip}: no sound to drive with; choose other clips with --data")
    shots = np.concatenate(list(FrameReader(clip)))[:frames]
    samples = heard.samples[: round(16000 * len(shots) / info.fps)]
    video, sound = folder / "clip.mp4", folder / "sound.wav"
    with VideoWriter(
        video,
        width=info.width,
        height=info.height,
        fps=info.fps,
        encoding=Encoding(crf=12),
        audio=Audio(samples, 16000),
    ) as writer:
        writer.add(shots)
    with wave.open(str(sound), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return video, sound, shots


def _imported(clone: Path, video: Path, sound: Path) -> Any:
    """inference.py, which reads its command line as it is imported."""
    from evaluation.calibration.packages import need

    librosa = need("librosa")
    mel = librosa.filters.mel
    # Of 2020, when rate and window were no keywords yet.
    librosa.filters.mel = lambda sr, n_fft, **how: mel(sr=sr, n_fft=n_fft, **how)
    sys.path.append(str(clone))
    words = ["--checkpoint_path", "none", "--face", str(video), "--audio", str(sound)]
    try:
        with mock.patch.object(sys, "argv", ["inference.py", *words]), _quiet():
            import inference  # type: ignore[import-not-found]
    except ImportError as error:
        raise BenchmarkError(
            f"{clone}: its script cannot be imported: {error}. It needs librosa, tqdm and scipy: "
            "pip install 'talkbench[audio]' tqdm"
        ) from error
    inference.device = device()
    inference.tqdm = lambda items, **_: items
    return inference


@contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _weights(network: Any) -> dict[str, Tensor]:
    """Random ones that keep signals at their size, so that faces are no even grey."""
    import torch

    torch.manual_seed(0)
    filled = {}
    for name, value in network.state_dict().items():
        if value.ndim > 1:
            filled[name] = torch.randn_like(value) * 1.5 / value[0].numel() ** 0.5
        else:
            filled[name] = value.clone()
    return filled


class _Frames:
    """Takes frames where a file would be written."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.frames: list[np.ndarray] = []
        _Frames.last = self

    last: _Frames

    def write(self, frame: np.ndarray) -> None:
        """A BGR frame of the official script."""
        self.frames.append(frame[..., ::-1].copy())

    def add(self, frames: np.ndarray) -> None:
        """RGB frames of ours."""
        self.frames.extend(frames)

    def release(self) -> None:
        """Nothing is to be ended."""

    def __enter__(self) -> _Frames:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _boxes_to_frames(
    script: Any, weights: Mapping[str, Tensor], video: Path, sound: Path, frames: int, rounds: int
) -> Row:
    import numpy as np

    from baselines.wav2lip import pipeline
    from baselines.wav2lip.network import load_wav2lip
    from evaluation.video import probe

    info = probe(video)
    box = (info.height // 5, info.height * 4 // 5, info.width // 4, info.width * 3 // 4)
    theirs, ours = script.Wav2Lip(), load_wav2lip(weights).to(device())
    theirs.load_state_dict(weights)
    theirs.eval().to(device())
    made: dict[str, list[np.ndarray]] = {}
    known = np.tile(np.array(box, dtype=np.int64), (frames, 1))

    def cut(images: list[np.ndarray]) -> list[Any]:
        top, bottom, left, right = box
        return [[image[top:bottom, left:right], box] for image in images]

    def official() -> Any:
        with (
            _quiet(),
            mock.patch.object(script, "face_detect", cut),
            mock.patch.object(script, "load_model", return_value=theirs),
            mock.patch.object(script.cv2, "VideoWriter", _Frames),
            mock.patch.object(subprocess, "call", return_value=0),
        ):
            spent, _ = timed(script.main)
        made["official"] = _Frames.last.frames
        return spent

    def our() -> Any:
        settings = pipeline.Settings(compat=True)
        with (
            mock.patch.object(pipeline, "face_boxes", lambda *_, **how: known[: how["limit"]]),
            mock.patch.object(pipeline, "VideoWriter", _Frames),
        ):
            spent, _ = timed(
                lambda: pipeline.generate(ours, video, sound, video, settings=settings)
            )
        made["ours"] = _Frames.last.frames
        return spent

    official(), our()  # to warm up
    took = in_turn({"official": official, "ours": our}, rounds)
    counts = {name: len(frames) for name, frames in made.items()}
    if counts["official"] != counts["ours"]:
        raise BenchmarkError(f"the two made different numbers of frames: {counts}")
    levels = np.abs(np.stack(made["official"]).astype(int) - np.stack(made["ours"]))
    row = {"part": f"boxes to frames, {counts['ours']} frames"} | versus(took)
    return row | {APART: f"grey levels: {levels.max()}, in the mean {levels.mean():.2g}"}


def _network(script: Any, weights: Mapping[str, Tensor], rounds: int, batch: int = 32) -> Row:
    import numpy as np
    import torch

    from baselines.wav2lip import pipeline
    from baselines.wav2lip.network import load_wav2lip

    theirs, ours = script.Wav2Lip(), load_wav2lip(weights).to(device())
    theirs.load_state_dict(weights)
    theirs.eval().to(device())
    rng = np.random.default_rng(0)
    windows = rng.uniform(-4, 4, (batch, 80, 16)).astype(np.float32)
    faces = rng.uniform(0, 1, (batch, 6, 96, 96)).astype(np.float32)
    made: dict[str, np.ndarray] = {}

    def official() -> Any:
        def call() -> np.ndarray:
            with torch.no_grad():
                heard, seen = (torch.from_numpy(x).to(device()) for x in (windows[:, None], faces))
                return np.asarray(theirs(heard, seen).cpu().numpy())

        spent, made["official"] = timed(call)
        return spent

    def our() -> Any:
        spent, made["ours"] = timed(lambda: pipeline.render(ours, windows, faces))
        return spent

    official(), our()
    took = in_turn({"official": official, "ours": our}, rounds)
    levels = 255 * float(np.abs(made["official"] - made["ours"]).max())
    row = {"part": f"network alone, {batch} faces"} | versus(took)
    return row | {APART: f"grey levels: {levels:.2g}"}


def _faces(script: Any, frames: np.ndarray, rounds: int) -> Row:
    """S3FD on whole frames, both with the same weights; boxes are compared before smoothing."""
    import numpy as np

    from baselines.wav2lip import s3fd

    weights = _sure_of_few()
    ours = s3fd.load_fan_s3fd(weights).to(device())
    package = importlib.import_module("face_detection.detection.sfd.sfd_detector")
    with mock.patch.object(package, "load_url", return_value=weights):  # a download
        theirs = script.face_detection.FaceAlignment(
            script.face_detection.LandmarksType._2D, flip_input=False, device=device()
        )
    theirs.face_detector.face_detector.load_state_dict(weights)  # a clone may have its own
    made: dict[str, np.ndarray] = {}
    batch = int(script.args.face_det_batch_size)

    def official() -> Any:
        def call() -> np.ndarray:
            found: list[Any] = []
            for start in range(0, len(bgr), batch):
                found += theirs.get_detections_for_batch(bgr[start : start + batch])
            return np.array(found, dtype=float)

        bgr = frames[..., ::-1]
        spent, made["official"] = timed(call)
        return spent

    def our() -> Any:
        spent, made["ours"] = timed(lambda: s3fd.surest_faces(frames, ours))
        return spent

    official(), our()
    took = in_turn({"official": official, "ours": our}, rounds)
    whole = np.trunc(made["ours"].clip(min=0))
    apart = float(np.abs(made["official"] - whole).max())
    row = {"part": f"faces (S3FD), {len(frames)} frames"} | versus(took)
    return row | {APART: f"px: {apart:g}"}


def _sure_of_few() -> dict[str, Tensor]:
    """The detector's weights, random up to its scores: of its six layers the coarsest alone sees.

    Every box above 0.05 costs the official code some Python; a real face has a few dozen.
    """
    import torch

    package = importlib.import_module("face_detection.detection.sfd.net_s3fd")
    torch.manual_seed(0)
    weights: dict[str, Tensor] = dict(package.s3fd().state_dict())
    for name, value in weights.items():
        if name.endswith("_mbox_conf.bias"):
            sees = name.startswith("conv7_2")
            value[:-1], value[-1] = (-3.0, 0.0) if sees else (20.0, 0.0)
        if name.startswith("conv") and name.endswith("norm.weight"):
            value.fill_(1.0)
    return weights
