"""Event files that TensorBoard reads, as ``torch.utils.tensorboard``."""

from __future__ import annotations

import datetime
import os
import socket
from typing import Any

import numpy as np

from .._core import Tensor, _EventWriter
from .._create import as_tensor

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Writes scalars, histograms and texts into a folder that TensorBoard watches.

    Parameters
    ----------
    log_dir : str, optional
        The folder; ``runs/DATE_HOST`` and `comment` unless given.
    comment : str
        Ends the default folder's name.
    purge_step : int, optional
        What was written of this and later steps, before a crash, is void.
    max_queue, flush_secs : int
        As in PyTorch, without effect: nothing waits in a queue.
    filename_suffix : str
        Ends the file's name.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ):
        if not log_dir:
            when = datetime.datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{when}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._writers: dict[str, _EventWriter] | None = {}
        self._writer(self.log_dir)

    def _writer(self, folder: str) -> _EventWriter:
        if self._writers is None:  # closed, and used again: another file, as in PyTorch
            self._writers = {}
        if folder not in self._writers:
            writer = self._writers[folder] = _EventWriter(folder, self.filename_suffix)
            if self.purge_step is not None:
                writer.restart(self.purge_step)
                writer.flush()
        return self._writers[folder]

    def get_logdir(self) -> str:
        """Return the folder of the files."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Write one number: a float, or a tensor or array of one element."""
        value = _number(scalar_value)
        self._writer(self.log_dir).scalar(tag, value, global_step or 0, _time(walltime))

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Write several numbers for one chart, a folder each."""
        for tag, value in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            number = _number(value)
            self._writer(folder).scalar(main_tag, number, global_step or 0, _time(walltime))

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Write how values are distributed, in TensorBoard's own buckets.

        Parameters
        ----------
        values : Tensor or array
            Of any shape. Throws ValueError where it has no element.
        bins : str
            ``"tensorflow"``, PyTorch's default; others are not there.
        """
        if bins != "tensorflow":
            raise NotImplementedError(
                f'add_histogram: there is only bins="tensorflow", got {bins!r}'
            )
        tensor = values if isinstance(values, Tensor) else as_tensor(np.asarray(values))
        self._writer(self.log_dir).histogram(tag, tensor, global_step or 0, _time(walltime))

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Write a text (Markdown)."""
        self._writer(self.log_dir).text(tag, text_string, global_step or 0, _time(walltime))

    def flush(self) -> None:
        """Hand what was written to the system."""
        for writer in (self._writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Close the files."""
        for writer in (self._writers or {}).values():
            writer.close()
        self._writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _time(walltime: float | None) -> float:
    return -1.0 if walltime is None else walltime


def _number(value: Any) -> float:
    if isinstance(value, str):
        raise TypeError(f"expected a number, got {value!r}")
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    if array.size != 1:
        raise ValueError(f"expected one number, got {array.size} of shape {array.shape}")
    return float(array.reshape(()))
