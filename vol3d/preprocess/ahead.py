"""Scans read and prepared ahead of the one in use, in order, with bad cases named."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from vol3d.errors import Vol3dError
from vol3d.preprocess.pipeline import prepare
from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec
from vol3d.volume import Volume, read_volume

ScanPath = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PreparedScan:
    """One scan of a batch, or why it was refused.

    Args:
        path: The path as it was given.
        volume: The scan as read; None if it was refused.
        prepared: The scan as the encoder wants it; None if it was refused.
        error: Why reading or preparing was refused; None if it was not.
    """

    path: ScanPath
    volume: Volume | None = None
    prepared: PreparedVolume | None = None
    error: Vol3dError | None = None


def prepare_ahead(
    paths: Iterable[ScanPath],
    spec: PreprocessSpec,
    *,
    num_ahead: int = 2,
    read: Callable[[ScanPath], Volume] = read_volume,
) -> Iterator[PreparedScan]:
    """The prepared scans in the order of ``paths``, up to ``num_ahead`` of them made in advance.

    Reading and resampling run in threads while the caller works on the scan before; at most
    ``num_ahead + 1`` scans are in memory. A scan that is refused comes back with its error, and the
    next ones go on; any other exception is raised where the scan would have come.

    Args:
        paths: Scans as ``read_volume`` takes them; taken from the iterable as they are needed.
        spec: The checkpoint's preprocessing.
        num_ahead: Scans in the making, at least 1.
        read: Reads one scan, for options such as a series or a modality.

    Raises:
        ValueError: ``num_ahead`` is below 1.
    """
    if num_ahead < 1:
        raise ValueError(f"prepare_ahead: num_ahead is {num_ahead}; expected at least 1.")
    return _prepared(iter(paths), spec, num_ahead, read)


def _prepared(
    paths: Iterator[ScanPath],
    spec: PreprocessSpec,
    num_ahead: int,
    read: Callable[[ScanPath], Volume],
) -> Iterator[PreparedScan]:
    def make(path: ScanPath) -> PreparedScan:
        try:
            volume = read(path)
            return PreparedScan(path=path, volume=volume, prepared=prepare(volume, spec))
        except Vol3dError as error:
            return PreparedScan(path=path, error=error)

    with ThreadPoolExecutor(max_workers=num_ahead, thread_name_prefix="vol3d-ahead") as pool:
        queue: deque[Future[PreparedScan]] = deque()
        try:
            queue.extend(pool.submit(make, path) for path in itertools.islice(paths, num_ahead))
            while queue:
                done = queue.popleft().result()
                queue.extend(pool.submit(make, path) for path in itertools.islice(paths, 1))
                yield done
        finally:
            for waiting in queue:
                waiting.cancel()
