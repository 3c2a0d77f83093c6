"""Puts the report of a run on the disk, whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.report.document import Run, document
from target_kustomer.report.page import page

if TYPE_CHECKING:
    from target_kustomer.report.gather import Gathered

logger = logging.getLogger(__name__)

_LONGEST_WRITE_SECONDS = 10.0
"""A disk that hangs does not keep the run from its end for longer."""


class ReportFile:
    """Where the report goes.

    Args:
        path: Ends in ``.json`` or ``.html``, which decides the form.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_page = path.suffix == ".html"

    def check(self) -> None:
        """Find out at the start whether the report can be written at the end.

        Raises:
            ConfigurationError: It cannot.
        """
        try:
            self._path = Path(os.path.realpath(self._path))  # a link stays one
            if self._path.is_dir():
                raise IsADirectoryError(None, "Is a directory")
            descriptor, draft = self._draft()
            os.close(descriptor)
            draft.unlink()
        except (OSError, ValueError) as error:  # a path with a null character is a ValueError
            why = error.strerror if isinstance(error, OSError) else error
            msg = f"cannot write report_path {self._path} ({why}): mend the path or it"
            raise ConfigurationError(msg) from None

    def write(self, gathered: Gathered, run: Run) -> None:
        """Write the report, readable by its owner alone; say so where it cannot be written."""
        thread = threading.Thread(target=self._write, args=(gathered, run), daemon=True)
        thread.start()
        thread.join(_LONGEST_WRITE_SECONDS)
        if thread.is_alive():
            logger.warning("the report is not written: the disk takes nothing")

    def _write(self, gathered: Gathered, run: Run) -> None:
        content = document(gathered, run)
        text = page(content) if self._is_page else json.dumps(content, indent=1)
        try:
            self._replace(f"{text}\n".encode())
        except OSError as error:
            logger.warning("the report is not written file=%s (%s)", self._path, error.strerror)
        else:
            logger.info("report file=%s", self._path)

    def _replace(self, content: bytes) -> None:
        descriptor, draft = self._draft()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            draft.replace(self._path)
        except OSError:
            with suppress(OSError):
                draft.unlink()
            raise

    def _draft(self) -> tuple[int, Path]:
        """A new file beside the report, which its owner alone may read."""
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}-", dir=self._path.parent)
        return descriptor, Path(name)
