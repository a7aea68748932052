"""The bytes of a file, plain or gzipped, once or twice; what its name says does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from vol3d.errors import DataError, explain
from vol3d.volume.gzip_stream import (
    GZIP_MAGIC,
    check_ratio,
    damaged,
    inflate,
    inflate_all,
    inflated_head,
)
from vol3d.volume.names import shown_name

_MAX_INNER_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredBytes:
    """Where bytes come from.

    Args:
        path: The file.
        num_layers: Gzip layers around the content: 0, 1 or 2.
        inner: The content of the outer layer where there are two.
    """

    path: Path
    num_layers: int
    inner: bytes = b""

    def _open(self) -> BinaryIO:
        return BytesIO(self.inner) if self.num_layers == 2 else self.path.open("rb")

    @property
    def num_stored(self) -> int:
        """Bytes as stored: of the file, or of the inner layer of two."""
        return len(self.inner) if self.num_layers == 2 else self.path.stat().st_size

    def head(self, count: int) -> bytes:
        """The first ``count`` bytes of the content, fewer if it is shorter."""
        with self._open() as file:
            if self.num_layers == 0:
                return file.read(count)
            return inflated_head(file, count, where=shown_name(self.path))

    def read(self, start: int, stop: int, *, total: int) -> tuple[npt.NDArray[np.uint8], int]:
        """Bytes ``start`` to ``stop``, and how many bytes there are beyond ``total``.

        Raises:
            DataError: The content is shorter than ``total``, damaged, or implausibly compressed.
        """
        where = shown_name(self.path)
        if self.num_layers > 0:
            check_ratio(total, self.num_stored, where=where)
            with self._open() as file:
                return inflate(file, start, stop, total=total, where=where)
        size = self.num_stored
        if size < total:
            raise damaged(where, f"{size} bytes where the header asks for {total}")
        content = np.fromfile(self.path, dtype=np.uint8, count=stop - start, offset=start)
        return content, size - total


def open_bytes(path: Path) -> StoredBytes:
    """The bytes of a file, its gzip layers taken off.

    Raises:
        DataError: A damaged gzip stream, or more than two layers.
    """
    where = shown_name(path)
    with path.open("rb") as file:
        if file.read(2) != GZIP_MAGIC:
            return StoredBytes(path=path, num_layers=0)
        file.seek(0)
        if inflated_head(file, 2, where=where) != GZIP_MAGIC:
            return StoredBytes(path=path, num_layers=1)
        file.seek(0)
        limit = min(_MAX_INNER_BYTES, 4 * path.stat().st_size + (1 << 20))
        inner = inflate_all(file, limit, where=where)
    if inflated_head(BytesIO(inner), 2, where=where) == GZIP_MAGIC:
        raise DataError(
            explain(
                expected="a scan inside at most two gzip layers",
                got="three",
                where=where,
                remedy="Unpack the file first.",
            )
        )
    return StoredBytes(path=path, num_layers=2, inner=inner)
