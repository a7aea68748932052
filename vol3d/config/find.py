"""Where named configurations live: one lookup for the wheel and for the checkout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vol3d.errors import ConfigError, explain

_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = (".yaml", ".yml")


def config_roots(package: Path = _PACKAGE) -> tuple[Path, ...]:
    """The folders that hold named configurations, in order of preference.

    Args:
        package: Folder of the installed package ``vol3d``. A wheel carries ``_configs`` in it; in
            a checkout ``configs`` lies beside it.
    """
    candidates = [package / "_configs"]
    if (package.parent / "pyproject.toml").is_file():
        candidates.insert(0, package.parent / "configs")
    return tuple(folder for folder in candidates if folder.is_dir())


def list_configs(roots: Sequence[Path] | None = None) -> tuple[str, ...]:
    """Names such as ``train/embedded`` that ``find_config`` knows, sorted."""
    names = {
        path.relative_to(root).with_suffix("").as_posix()
        for root in (config_roots() if roots is None else roots)
        for path in root.rglob("*")
        if path.suffix in _SUFFIXES
    }
    return tuple(sorted(names))


def find_config(name: str | Path, *, roots: Sequence[Path] | None = None) -> Path:
    """The file of a configuration, given as a path or as a name.

    ``train/embedded``, ``train/embedded.yaml`` and ``configs/train/embedded.yaml`` all name the
    same file, in a checkout and in an installed wheel. An existing path wins over a name.

    Args:
        name: Path of a YAML file, or the name of a configuration that is shipped.
        roots: Folders to search instead of ``config_roots()``.

    Raises:
        ConfigError: Neither a file nor a known name.
    """
    if Path(name).is_file():
        return Path(name)
    folders = config_roots() if roots is None else tuple(roots)
    relative = PurePosixPath(Path(name).as_posix())
    if relative.parts[:1] == ("configs",):
        relative = PurePosixPath(*relative.parts[1:])
    if not relative.is_absolute() and ".." not in relative.parts and relative.parts:
        for folder in folders:
            for suffix in ("", *_SUFFIXES):
                candidate = folder / f"{relative}{suffix}"
                if candidate.is_file():
                    return candidate
    known = ", ".join(list_configs(folders)) or "none"
    raise ConfigError(
        explain(
            expected=f"an existing YAML file or one of the names: {known}",
            got=f"{str(name)!r}",
            where="configuration",
            remedy="Give the path of a file, or one of these names.",
        )
    )
