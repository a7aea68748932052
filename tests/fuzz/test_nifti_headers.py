"""NIfTI files with drawn headers, sound and odd, judged by an oracle of their own.

Writer and oracle know the header from nifti1.h and nifti2.h alone. Method 3 (sform) places the
voxels where sform_code > 0, else method 2 (qform) where qform_code > 0, else method 1, which says
nothing of left and right; a value is scl_slope * stored + scl_inter unless scl_slope is 0. What is
accepted has the oracle's places and values, or a note that names the deviation; what the oracle
calls sound and ordinary is accepted.

``VOL3D_FUZZ_EXAMPLES=5000 pytest tests/fuzz`` runs more examples than the suite does.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from vol3d.errors import Vol3dError
from vol3d.volume import Volume, inspect_path, read_volume

EXAMPLES = int(os.environ.get("VOL3D_FUZZ_EXAMPLES", "150"))
DTYPES = {
    **dict(zip((2, 512, 768, 1280), ("u1", "u2", "u4", "u8"), strict=True)),
    **dict(zip((256, 4, 8, 1024), ("i1", "i2", "i4", "i8"), strict=True)),
    16: "f4",
    64: "f8",
}
FORMATS = {
    1: "i10s18sihsB8h3f4h8f3fhBB4f2i80s24s2h6f12f16s4s",
    2: "i8s2h8q3d8dq2d4d2q80s24s2i6d12d3i16sB15s",
}
UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
SAID_PLACE = {"orientation_assumed"}
Array = npt.NDArray[Any]

pytestmark = pytest.mark.filterwarnings("error")  # damage reaches the user in words alone


@dataclass(frozen=True, kw_only=True)
class File:
    """Header fields by their names in nifti1.h, and how the bytes are put together."""

    version: int = 1
    order: str = "<"
    dim: tuple[int, ...] = (3, 3, 4, 5, 1, 1, 1, 1)
    pixdim: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    datatype: int = 4
    bitpix: int = 16
    vox_offset: float = 352
    scl: tuple[float, float] = (1.0, 0.0)
    xyzt_units: int = 2
    qform_code: int = 0
    sform_code: int = 0
    quatern: tuple[float, float, float] = (0.0, 0.0, 0.0)
    qoffset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    srow: tuple[float, ...] = (0.0,) * 12
    magic: bytes = b"n+1\0"
    extension: bytes = b""
    voxels: bytes = b""
    layers: int = 0
    cut: int = 0
    tail: bytes = b""


def content_of(file: File) -> bytes:
    """The file before compression: header, extension, gap, voxels."""
    o, f = file.order, file
    if f.version == 1:
        head = struct.pack(
            o + FORMATS[1],
            *(348, b"", b"", 0, 0, b"r", 0, *f.dim, 0, 0, 0, 0, f.datatype, f.bitpix, 0),
            *(*f.pixdim, f.vox_offset, *f.scl, 0, 0, f.xyzt_units, 0, 0, 0, 0, 0, 0),
            *(b"", b"", f.qform_code, f.sform_code, *f.quatern, *f.qoffset, *f.srow, b"", f.magic),
        )
    else:
        head = struct.pack(
            o + FORMATS[2],
            *(540, f.magic, f.datatype, f.bitpix, *f.dim, 0, 0, 0, *f.pixdim, int(f.vox_offset)),
            *(*f.scl, 0, 0, 0, 0, 0, 0, b"", b"", f.qform_code, f.sform_code),
            *(*f.quatern, *f.qoffset, *f.srow, 0, f.xyzt_units, 0, b"", 0, b""),
        )
    assert len(head) == (348 if f.version == 1 else 540)
    head += f.extension or b"\0\0\0\0"
    start = int(f.vox_offset) if math.isfinite(f.vox_offset) else 0
    content = head.ljust(min(max(start, 0), 5000), b"\0") + f.voxels
    return content[: len(content) - f.cut] + f.tail


def file_of(content: bytes) -> File | None:
    """The fields that a single file's bytes hold: the way back of :func:`content_of`."""
    order = "<" if content[:4] in (b"\x5c\1\0\0", b"\x1c\2\0\0") else ">"
    size = struct.unpack(f"{order}i", content[:4])[0]
    if size not in (348, 540):
        return None
    version = 1 if size == 348 else 2
    v = struct.unpack(order + FORMATS[version], content[:size])
    if version == 1:
        fields = {"dim": v[7:15], "datatype": v[19], "bitpix": v[20], "pixdim": v[22:30]}
        fields |= {"vox_offset": v[30], "scl": v[31:33], "xyzt_units": v[35], "magic": v[-1]}
        at = 44
    else:
        fields = {"magic": v[1], "datatype": v[2], "bitpix": v[3], "dim": v[4:12]}
        fields |= {"pixdim": v[15:23], "vox_offset": v[23], "scl": v[24:26], "xyzt_units": v[-5]}
        at = 34
    fields |= {"qform_code": v[at], "sform_code": v[at + 1], "quatern": v[at + 2 : at + 5]}
    fields |= {"qoffset": v[at + 5 : at + 8], "srow": v[at + 8 : at + 20]}
    return File(version=version, order=order, **fields)


def write(file: File, path: Path) -> None:
    content = content_of(file)
    for _ in range(file.layers):
        content = gzip.compress(content, 1, mtime=0)
    path.write_bytes(content)


# ---------------------------------------------------------------- what is drawn


def _single(value: float) -> float:
    return float(np.float32(value))


@st.composite
def sound(draw: st.DrawFn) -> File:
    """A file that the standard allows and that programs write."""
    version, order = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from("<>"))
    shape = [draw(st.integers(2, n)) for n in (4, 5, 6)]
    num_volumes = draw(st.sampled_from([1, 1, 1, 2]))
    rank = 4 if num_volumes > 1 else draw(st.integers(3, 7))
    unit = draw(st.sampled_from([0, 2, 2, 1, 3]))
    per_mm = 1 / UNIT_MM[unit]
    sizes = [draw(st.floats(0.1, 12.0)) * per_mm for _ in range(3)]
    turned = np.array([draw(st.floats(-1, 1)) for _ in range(4)])
    if draw(st.booleans()):
        turned = np.array(draw(st.sampled_from(STRAIGHT)))
    length = float(np.linalg.norm(turned))
    turned = turned / length if length > 0.1 else np.array([1.0, 0.0, 0.0, 0.0])
    turned = turned if turned[0] >= 0 else -turned
    qfac = draw(st.sampled_from([1.0, -1.0, 0.0]))
    qoffset = [draw(st.floats(-900, 900)) * per_mm for _ in range(3)]
    qform = _qform(turned, sizes, qfac)
    unit_columns = np.eye(3)
    if draw(st.booleans()):
        unit_columns[0, 1:], unit_columns[1, 2] = (
            [draw(st.floats(-0.2, 0.2)) for _ in range(2)],
            draw(st.floats(-0.2, 0.2)),
        )
    signs = [draw(st.sampled_from([1.0, -1.0])) for _ in range(3)]
    unit_columns /= np.linalg.norm(unit_columns, axis=0)
    sform = qform / sizes @ unit_columns * np.multiply(sizes, signs)
    soffset = [draw(st.floats(-900, 900)) * per_mm for _ in range(3)]
    codes = draw(st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1), (2, 4), (3, 2), (4, 5)]))
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    dtype = np.dtype(DTYPES[datatype]).newbyteorder(order)
    count = math.prod(shape) * num_volumes
    extension = draw(st.sampled_from([b"", b"", "short", "long"]))
    if extension:
        size = 32 if extension == "short" else 1024
        extension = b"\1\0\0\0" + struct.pack(f"{order}2i", size, 6) + b"x" * (size - 8)
    least = (352 if version == 1 else 544) + max(0, len(extension) - 4)
    magic = {1: b"n+1\0", 2: b"n+2\0\r\n\x1a\n"}[version]
    return File(
        version=version,
        order=order,
        dim=(
            rank,
            *shape,
            num_volumes,
            1,
            1,
            draw(st.sampled_from([1, 1, 0]) if rank < 7 else ONE),
        ),
        pixdim=tuple(map(_single, (qfac, *sizes, draw(st.sampled_from([0, 1, 2.5])), 0, 0, 0))),
        datatype=datatype,
        bitpix=8 * dtype.itemsize,
        vox_offset=draw(st.sampled_from([least, least, least + 16, least + 640])),
        scl=draw(st.sampled_from(SCALES)),
        xyzt_units=unit + draw(st.sampled_from([0, 8, 16, 24])),
        qform_code=codes[0],
        sform_code=codes[1],
        quatern=tuple(map(_single, turned[1:])),  # type: ignore[arg-type]
        qoffset=tuple(map(_single, qoffset)),  # type: ignore[arg-type]
        srow=tuple(map(_single, np.column_stack([sform, soffset]).ravel())),
        magic=magic,
        extension=extension or b"",
        voxels=_voxels(draw(st.integers(0, 2**32 - 1)), count, dtype),
        layers=draw(st.sampled_from([0, 1])),
    )


ONE = st.just(1)
STRAIGHT = [
    *np.eye(4).tolist(),
    *([1, 1, 1, 1], [1, -1, 1, 1], [1, -1, -1, -1], [1, 1, 0, 0], [1, 0, -1, 0], [0, 1, 1, 0]),
]
SCALES = [
    *((1.0, 0.0), (0.0, 0.0), (0.0, 7.0), (2.0, -1024.0), (-1.0, 5.0), (0.5, 0.0)),
    (_single(0.00123), _single(-3.3)),
]


def _voxels(seed: int, count: int, dtype: np.dtype[Any]) -> bytes:
    rng = np.random.default_rng(seed)
    if dtype.kind == "f":
        return (rng.standard_normal(count) * 900).astype(dtype).tobytes()
    info = np.iinfo(dtype)
    is_wide = dtype.itemsize > 2 and seed % 3 > 0  # fields of 32 bits seldom hold such numbers
    low, high = (max(info.min, -1024), min(info.max, 3071)) if is_wide else (info.min, info.max)
    return (
        rng.integers(low, high, count, dtype=dtype.newbyteorder("="), endpoint=True)
        .astype(dtype)
        .tobytes()
    )


def _qform(quaternion: Array, sizes: Any, qfac: float) -> Array:
    """The matrix of nifti1.h, method 2, from (a, b, c, d), without the offset."""
    a, b, c, d = (float(v) for v in quaternion)
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c],
            [2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b],
            [2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b],
        ]
    )
    return turn * [sizes[0], sizes[1], sizes[2] * (-1.0 if qfac < 0 else 1.0)]


ODD_NUMBERS = [
    *(0.0, -1.0, 1.0, 0.5, 2.0, -0.3, 1e-7, 1e-30, 5e-3, 40.0, 2000.0, 1e7, 1e30, -1e30),
    *(math.nan, math.inf, -math.inf),
]
ODD_FIELDS: dict[str, list[Any]] = {
    "dim": [-1, 0, 1, 2, 3, 4, 7, 8, 60, 256, 768, 1280, 32767, -32768],
    "pixdim": ODD_NUMBERS,
    "srow": ODD_NUMBERS,
    "quatern": ODD_NUMBERS,
    "qoffset": ODD_NUMBERS,
    "scl": ODD_NUMBERS,
    "datatype": [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 2304, -4, 3, 255],
    "bitpix": [0, 1, 8, 16, 32, 64, 128, -16],
    "vox_offset": [0, 1, 4, 347, 348, 352, 353, 540, 544, 352.5, -352, 1e9, 1e30, math.nan],
    "xyzt_units": [4, 5, 7, 10, 18, 56, 64, 66, 130, 255],
    "qform_code": [-1, 0, 1, 2, 5, 6, 300, 32767],
    "sform_code": [-1, 0, 1, 2, 5, 6, 300, 32767],
    "magic": [b"\0\0\0\0", b"ni1\0", b"n+1 ", b"n+2\0", b"N+1\0", b"n+3\0", b"n\0+1", b"ni2\0"],
    "cut": [1, 2, 10, 100, 300, 400, 10_000],
    "tail": [b"\0", b"x", b"xy" * 50, b"\0" * 512, b"\x1f\x8b"],
    "layers": [0, 1, 2],
}


@st.composite
def odd(draw: st.DrawFn) -> File:
    """A sound file of which one to three fields hold something else."""
    file = draw(sound())
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(ODD_FIELDS)))
        value = draw(st.sampled_from(ODD_FIELDS[name]))
        event(name)
        present = getattr(file, name)
        if name == "vox_offset" and file.version == 2:
            value = int(value) if math.isfinite(value) and abs(value) < 1e12 else 2**62
        if isinstance(present, tuple):
            at = draw(st.integers(0, len(present) - 1))
            value = (*present[:at], value, *present[at + 1 :])
        file = replace(file, **{name: value})
    return file


# ---------------------------------------------------------------- the oracle


@dataclass
class Truth:
    """Affines that the standard allows (RAS mm), and the values (k, j, i) of every volume."""

    affines: list[Array]
    values: Array
    stored: Array


def truth_of(file: File, content: bytes) -> Truth | None:
    """What header and content say; ``None`` if they cannot be understood or voxels lack."""
    rank, dtype = file.dim[0], DTYPES.get(file.datatype)
    if not 3 <= rank <= 7 or dtype is None or min(file.dim[1 : rank + 1]) < 1:
        return None
    nx, ny, nz, *more = file.dim[1 : rank + 1]
    size = np.dtype(dtype).itemsize
    start = _start(file)
    total = math.prod((nx, ny, nz, *more))
    if start is None or len(content) < start + total * size:
        return None
    stored = np.frombuffer(content, np.dtype(dtype).newbyteorder(file.order), total, start)
    stored = stored.reshape(math.prod(more), nz, ny, nx)
    slope, inter = (_single(v) if file.version == 1 else v for v in file.scl)
    with np.errstate(all="ignore"):
        is_scaled = slope != 0 and math.isfinite(slope)
        values = stored.astype(np.float64) * slope + inter if is_scaled else stored.astype(float)
        affines = _affines(file, (nx, ny, nz))
    return Truth(affines=affines, values=values, stored=stored)


def _start(file: File) -> int | None:
    """Where the voxels begin; in one file not before its header."""
    least = 348 if file.version == 1 else 540
    if not math.isfinite(file.vox_offset) or abs(file.vox_offset) > 2**40:
        return None
    if file.vox_offset == 0:
        return least + 4
    return int(file.vox_offset) if file.vox_offset >= least else None


def _affines(file: File, shape: tuple[int, int, int]) -> list[Array]:
    scale = UNIT_MM.get(file.xyzt_units & 7, math.nan)
    affine = np.eye(4)
    if file.sform_code > 0:
        affine[:3] = np.reshape(file.srow, (3, 4)) * scale
        return [affine]
    if file.qform_code <= 0:
        affine[:3, :3] = np.diag(file.pixdim[1:4]) * scale
        return [affine]
    b, c, d = file.quatern
    rest = 1.0 - (b * b + c * c + d * d)
    found = []
    if rest >= 0:
        found.append(np.array([math.sqrt(rest), b, c, d]))
    if abs(rest) < 1e-6:  # float32 cannot tell: half a turn
        found += [np.array([0, b, c, d]), np.array([0, b, c, d]) / math.sqrt(1 - rest)]
    forms = []
    for quaternion in found:
        form = np.eye(4)
        form[:3, :3] = _qform(quaternion, file.pixdim[1:4], file.pixdim[0]) * scale
        form[:3, 3] = np.array(file.qoffset) * scale
        forms.append(form)
    return forms


def _off_mm(volume: Volume, affine: Array) -> float:
    """Largest distance of any voxel of the file from where an affine puts it."""
    difference = (volume.stored.affine_ras - affine)[:3]
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.stored.shape_ijk])).reshape(3, -1)
    return float(np.linalg.norm(difference[:, :3] @ corners + difference[:, 3:], axis=0).max())


def assert_true(volume: Volume, file: File, content: bytes) -> None:
    """Every voxel of the file lies where the oracle says and has the value it says."""
    truth = truth_of(file, content)
    assert truth is not None, "read, though the header does not hold"
    codes = {note.code for note in volume.notes}
    assert volume.stored.shape_ijk == truth.values.shape[:0:-1]
    affine = volume.stored.affine_ras
    if file.sform_code <= 0 and file.qform_code <= 0:
        assert codes & SAID_PLACE, "left and right are not said, and no note says so"
        lengths = np.linalg.norm(truth.affines[0][:3, :3], axis=0)
        assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), lengths, rtol=1e-6)
    else:
        least_mm = 1e-3 * float(min(volume.grid.spacing_zyx_mm))
        assert truth.affines, "read, though the quaternion is none"
        off_mm = min(_off_mm(volume, affine_ras) for affine_ras in truth.affines)
        assert off_mm <= least_mm, f"off by {off_mm} mm"
    # the file's voxels at their places in the volume, whose axes may run in another order
    i, j, k = (v.ravel() for v in np.meshgrid(*map(np.arange, volume.stored.shape_ijk)))
    world = np.column_stack([i, j, k]) @ affine[:3, :3].T + affine[:3, 3]
    index = volume.grid.world_to_index_zyx(world)
    place = np.rint(index).astype(int)
    assert np.abs(index - place).max() < 1e-3
    assert ((place >= 0) & (place < volume.grid.shape_zyx)).all()
    assert len(set(map(tuple, place))) == volume.voxels_zyx.size
    _assert_values(volume.voxels_zyx[tuple(place.T)], truth, (k, j, i), codes)
    if len(truth.values) > 1:
        assert "time_series" in codes
    assert (volume.unit == "HU") <= (volume.modality == "CT")


def _assert_values(found: Array, truth: Truth, at: tuple[Array, ...], codes: set[str]) -> None:
    expected, stored = truth.values[0][at], truth.stored[0][at]
    if "byte_order_repaired" in codes:
        expected = stored.view(stored.dtype.newbyteorder()).astype(float)
    is_finite = np.isfinite(stored)  # a cast to float64 would trip over signalling NaNs
    assert is_finite.all() or "not_finite_replaced" in codes
    tolerance = 1e-6 * np.maximum(1e-30, np.abs(expected[is_finite]))
    assert (np.abs(found[is_finite] - expected[is_finite]) <= tolerance).all()


# ---------------------------------------------------------------- the tests


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=sound())
def test_sound_files_are_read_as_the_standard_says(file: File) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "scan.nii")
        write(file, path)
        assert_true(read_volume(path), file, content_of(file))


HARMLESS: dict[str, tuple[str, Any]] = {
    "trailing_bytes": ("tail", b"rubbish"),
    "bitpix_mismatch": ("bitpix", 0),
    "scale_ignored": ("scl", (math.nan, 0.0)),
    "nested_gzip": ("layers", 2),
    "voxel_offset_assumed": ("vox_offset", 0),
    "magic_repaired": ("magic", b"\0\0\0\0"),
}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=sound(), code=st.sampled_from(sorted(HARMLESS)))
def test_harmless_flaws_are_read_and_said(file: File, code: str) -> None:
    name, value = HARMLESS[code]
    file = replace(file, **{name: value}, extension=b"")
    if code in ("voxel_offset_assumed", "magic_repaired") and file.qform_code == file.sform_code:
        file = replace(file, qform_code=1)  # an empty magic is ANALYZE if nothing says left
    least = 352 if file.version == 1 else 544
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scan.nii")
        if code == "magic_repaired":
            file = replace(file, vox_offset=least)
        write(file, path)
        volume = read_volume(path)
    assert code in {note.code for note in volume.notes}
    assert_true(volume, file, content_of(file))


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=odd(), modality=st.sampled_from([None, "CT", "MR"]))
def test_odd_files_are_read_truly_or_refused(file: File, modality: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "scan.nii")
        write(file, path)
        refusal = inspect_path(path, modality=modality).refusal
        event("read" if refusal is None else "refused")
        if refusal is not None:
            with pytest.raises(Vol3dError):
                read_volume(path, modality=modality)
            return
        assert_true(read_volume(path, modality=modality), file, content_of(file))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(file=sound())
def test_the_oracle_reads_what_it_wrote(file: File) -> None:
    found = file_of(content_of(file))
    assert found is not None
    kept = {name: getattr(file, name) for name in ("extension", "voxels", "layers")}
    assert replace(found, scl=file.scl, **kept) == file
    assert np.allclose(found.scl, file.scl)


@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    file=sound(),
    damage=st.lists(st.tuples(st.integers(0, 551), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_damaged_headers_are_read_truly_or_refused(
    file: File, damage: list[tuple[int, int]]
) -> None:
    """Any bytes of the header overwritten: what is still read is what the bytes now say."""
    content = bytearray(content_of(file))
    for at, value in damage:
        content[at % (352 if file.version == 1 else 544)] = value
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "scan.nii")
        path.write_bytes(gzip.compress(content, 1) if file.layers else bytes(content))
        try:
            volume = read_volume(path)
        except Vol3dError:
            event("refused")
            return
    event("read")
    damaged = file_of(bytes(content))
    assert damaged is not None, "read, though it is no NIfTI file"
    assert_true(volume, damaged, bytes(content))
