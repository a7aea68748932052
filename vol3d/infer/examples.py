"""The scan that ships with the package."""

from __future__ import annotations

from pathlib import Path

from vol3d.errors import ConfigError, DataError, explain

EXAMPLE_NAME = "example"
_EXAMPLES = Path(__file__).resolve().parent.parent / "_examples"


def example_scan() -> Path:
    """Path of the bundled example: a synthetic abdomen CT phantom, no patient.

    Raises:
        DataError: The installation lacks the file.
    """
    path = _EXAMPLES / "abdomen_phantom.nii.gz"
    if not path.is_file():
        raise DataError(
            explain(
                expected="the bundled example scan",
                got="no such file in the installed package",
                where=f"vol3d/{_EXAMPLES.name}/{path.name}",
                remedy="Install the package again.",
            )
        )
    return path


def resolve_scan(scan: str | Path) -> Path:
    """The path of a scan; the word ``example`` means the bundled one.

    A file or folder of that name is meant by ``./example`` or by a ``Path``.

    Raises:
        ConfigError: An empty path, such as that of a variable that is not set.
        DataError: ``example`` was asked for and the installation lacks it.
    """
    if not str(scan).strip():
        raise ConfigError(
            explain(
                expected="the path of a scan",
                got="an empty path",
                where="SCAN",
                remedy="Give a file or folder, or the word example.",
            )
        )
    return example_scan() if scan == EXAMPLE_NAME else Path(scan)
