"""Event files that TensorBoard reads, as ``torch.utils.tensorboard``."""

from __future__ import annotations

import datetime
import io
import os
import socket
import struct
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
        tag = f"{tag}/text_summary"  # as PyTorch's writer names it
        self._writer(self.log_dir).text(tag, text_string, global_step or 0, _time(walltime))

    def _summary(self, tag: str, value: bytes, step: int | None, walltime: float | None) -> None:
        """Write one value of a summary: its tag, and what else it is."""
        content = _field(1, _field(1, tag.encode()) + value)
        self._writer(self.log_dir).event(5, content, step or 0, _time(walltime))

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Write an image: whole numbers of 0 to 255, or others of 0 to 1 (needs Pillow).

        Parameters
        ----------
        img_tensor : Tensor or array
            Of 1, 3 or 4 channels.
        dataformats : str
            The order of its dimensions: "CHW", "HWC", "HW" or another.
        """
        pixels = _pixels(img_tensor, dataformats)
        self._summary(tag, _image(pixels), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Write several images of one size as one, side by side, up to eight in a row."""
        pixels = _pixels(img_tensor, dataformats)
        self._summary(tag, _image(_grid(pixels)), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Write a figure of Matplotlib's, or several of one size, as an image."""
        figures = figure if isinstance(figure, list) else [figure]
        drawn = []
        for one in figures:
            one.canvas.draw()
            drawn.append(np.asarray(one.canvas.buffer_rgba())[..., :3])
            if close:
                import matplotlib.pyplot

                matplotlib.pyplot.close(one)
        pixels = _grid(np.stack(drawn)) if isinstance(figure, list) else drawn[0]
        self._summary(tag, _image(pixels), global_step, walltime)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Write the modules of a network: which are in which, and their kinds."""
        nodes = b""
        for name, module in model.named_modules():
            place = "/".join([type(model).__name__, *(name.split(".") if name else [])])
            outer = place.rpartition("/")[0].encode()
            inputs = _field(3, outer) if outer else b""
            node = _field(1, place.encode()) + _field(2, type(module).__name__.encode())
            nodes += _field(1, node + inputs)
            if verbose:
                print(place, type(module).__name__)
        self._writer(self.log_dir).event(4, nodes, 0, -1.0)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Write options of a training and what came of them, as a run of its own.

        Parameters
        ----------
        hparam_dict : dict
            Numbers, texts and bools by name.
        metric_dict : dict
            Numbers by name.
        run_name : str, optional
            The folder in this writer's; the present time unless given.
        """
        folder = os.path.join(self.log_dir, run_name or str(datetime.datetime.now().timestamp()))
        with SummaryWriter(folder) as writer:
            for tag, content in _hparams(hparam_dict, metric_dict).items():
                plugin = _field(1, b"hparams") + _field(2, content)
                writer._summary(tag, _field(9, _field(1, plugin)), None, None)
            for name, value in metric_dict.items():
                writer.add_scalar(name, value, global_step)

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


def _varint(n: int) -> bytes:
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def _field(number: int, content: bytes | int) -> bytes:
    """Encode a field of a protocol buffer: bytes, or a whole number."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _pixels(image: Any, order: str) -> np.ndarray:
    """Turn images into bytes of the order (N)HWC, with 3 or 4 channels."""
    array = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image)
    order = order.upper()
    if array.ndim != len(order) or len(set(order)) != len(order) or not set(order) <= set("NCHW"):
        raise ValueError(f"images of shape {array.shape} do not have the dimensions {order!r}")
    if array.dtype != np.uint8:
        array = (array.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)
    if "C" not in order:
        array, order = array[..., None], order + "C"
    array = array.transpose([order.index(d) for d in "NHWC" if d in order])
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, -1)
    return array


def _grid(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    columns = min(n, 8)
    rows = -(-n // columns)
    out = np.zeros((rows * h, columns * w, c), np.uint8)
    for i, image in enumerate(images):
        y, x = divmod(i, columns)
        out[y * h : y * h + h, x * w : x * w + w] = image
    return out


def _image(pixels: np.ndarray) -> bytes:
    """Encode a summary's image, as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    h, w, c = pixels.shape
    sizes = _field(1, h) + _field(2, w) + _field(3, c)
    return _field(4, sizes + _field(4, file.getvalue()))


def _hparams(options: dict[str, Any], metrics: dict[str, Any]) -> dict[str, bytes]:
    """Encode what TensorBoard's plugin for options reads."""
    infos = starts = b""
    for name, value in options.items():
        if isinstance(value, bool):
            kind, packed = 2, _varint(4 << 3) + _varint(int(value))
        elif isinstance(value, str):
            kind, packed = 1, _field(3, value.encode())
        else:
            kind, packed = 3, _varint(2 << 3 | 1) + struct.pack("<d", _number(value))
        infos += _field(4, _field(1, name.encode()) + _field(4, kind))
        starts += _field(1, _field(1, name.encode()) + _field(2, packed))
    for name in metrics:
        infos += _field(5, _field(1, _field(2, name.encode())))
    return {
        "_hparams_/experiment": _field(2, infos),
        "_hparams_/session_start_info": _field(3, starts),
        "_hparams_/session_end_info": _field(4, _field(1, 1)),
    }


def _time(walltime: float | None) -> float:
    return -1.0 if walltime is None else walltime


def _number(value: Any) -> float:
    if isinstance(value, str):
        raise TypeError(f"expected a number, got {value!r}")
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    if array.size != 1:
        raise ValueError(f"expected one number, got {array.size} of shape {array.shape}")
    return float(array.reshape(()))
