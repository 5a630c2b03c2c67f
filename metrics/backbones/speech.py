"""Where somebody speaks: Silero VAD 5.

Silero Team, "Silero VAD: pre-trained enterprise-grade Voice Activity Detector", 2024; the network
and the rule that turns its probabilities into stretches of speech are those of the package
silero-vad 5.1.2 at its defaults. The package runs the TorchScript file; here the ONNX file of the
same release runs in onnxruntime: probabilities agree to 5e-6, stretches to the
sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from metrics.assets import locate, lookup
from metrics.backbones.per_thread import per_thread
from metrics.base import Sound, Track

RATE = 16_000
WINDOW = 512  # samples

_CONTEXT = 64  # samples of the window before
_SPEECH = 0.5  # speech begins at this probability
_NO_SPEECH = 0.35  # and ends below this one,
_LEAST_SILENCE = 1_600  # samples, if it stays there so long
_LEAST_SPEECH = 4_000  # samples; shorter stretches are dropped
_PAD = 480  # samples added at both ends; the next stretch is further away than two of them

IN_WORDS = (
    f"Silero VAD 5.1.2, sha256 {lookup('silero-vad').sha256[:8]}, float32 by onnxruntime on the "
    "CPU; speech from probability 0.5 on until it stays below 0.35 for 100 ms, at least 250 ms, "
    "30 ms added at both ends"
)


def probabilities(sound: Sound) -> NDArray[np.float32]:
    """How sure the network is of speech in every 32 ms.

    Args:
        sound: int16 mono [N] at 16 kHz; the last window is filled up with silence.

    Returns:
        float32 [ceil(N / 512)], 0..1.
    """
    network = _network(locate("silero-vad"))
    count = -(-len(sound) // WINDOW)
    padded = np.zeros(_CONTEXT + count * WINDOW, dtype=np.float32)
    padded[_CONTEXT : _CONTEXT + len(sound)] = np.asarray(sound, dtype=np.float32) / 32768
    state = np.zeros((2, 1, 128), dtype=np.float32)
    rate = np.array(RATE, dtype=np.int64)
    speech = np.empty(count, dtype=np.float32)
    for i in range(count):
        heard = padded[None, i * WINDOW : (i + 1) * WINDOW + _CONTEXT]
        answer, state = network.run(None, {"input": heard, "state": state, "sr": rate})
        speech[i] = answer.item()
    return speech


def stretches(speech: NDArray[np.floating], samples: int) -> NDArray[np.int64]:
    """Where speech begins and ends.

    Args:
        speech: [windows], as :func:`probabilities` gives them.
        samples: Of the sound.

    Returns:
        int64 [stretches, 2], first sample and the one after the last.
    """
    found: list[list[int]] = []
    begin = fell = -1  # of the stretch at hand; where its probability fell
    for i, probability in enumerate(np.asarray(speech, dtype=np.float32).tolist()):
        at = i * WINDOW
        if probability >= _SPEECH:
            fell = -1
            begin = at if begin < 0 else begin
        elif probability < _NO_SPEECH and begin >= 0:
            fell = at if fell < 0 else fell
            if at - fell >= _LEAST_SILENCE:
                found.append([begin, fell])
                begin = fell = -1
    if begin >= 0:
        found.append([begin, samples])
    kept = [pair for pair in found if pair[1] - pair[0] > _LEAST_SPEECH]
    pairs = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return np.asarray(np.clip(pairs + np.array([-_PAD, _PAD]), 0, samples), dtype=np.int64)


@per_thread
def _network(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a window is 60 us of work
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Speech:
    """Extractor of speech. Rows: ``stretches`` int64 [stretches, 2], see :func:`stretches`."""

    id = "speech/1"

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        return {"stretches": stretches(probabilities(sound), len(sound))}


SPEECH = Speech()
