"""ONNX files by onnxruntime: one session a file, the CPU's arithmetic everywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import onnxruntime


@cache
def session(path: Path) -> onnxruntime.InferenceSession:
    """The file's session; threads may share it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # published graphs list dead inputs and fixed batch sizes
    options.intra_op_num_threads = cv2.getNumThreads()  # one knob for all that looks at faces
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights stored in int8 become float32 once, at loading, and not at every run: SFace then
    # takes two thirds of the time and answers the same to 3e-7.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # The same arithmetic on every machine, so no provider but the CPU's.
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
