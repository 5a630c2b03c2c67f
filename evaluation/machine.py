"""When the machine itself cannot go on: the one failure that stops a run."""

from __future__ import annotations

import errno

_MACHINE_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM),
    *(errno.EROFS, errno.EMFILE, errno.ENFILE),
)


class MachineError(OSError):
    """The machine cannot go on (disk full, read-only, out of quota); no clip is at fault."""


def machine_error(error: OSError) -> OSError:
    """The same error, as a ``MachineError`` where no clip can be at fault."""
    if error.errno in _MACHINE_ERRORS:
        return MachineError(error.errno, error.strerror, error.filename)
    return error
