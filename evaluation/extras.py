"""Optional packages: asked for where they are used, with the command that brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from evaluation.plan import UnusableInputError


class MissingExtraError(UnusableInputError, ImportError):
    """An optional package is not installed; the text says how to get it."""


def need(package: str, extra: str, what: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: By its import name.
        extra: Of ours that brings it.
        what: Needs it, for the message: ``frames``.

    Raises:
        MissingExtraError: It is not installed, or cannot be imported here.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} need {package}, which is not here ({error}): pip install 'talkbench[{extra}]'"
        ) from error
