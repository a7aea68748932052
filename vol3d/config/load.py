"""From a YAML file and ``key.sub=value`` overrides to a checked, frozen dataclass."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from vol3d.config.find import find_config
from vol3d.errors import ConfigError, explain

if TYPE_CHECKING:
    from pydantic import ValidationError

T = TypeVar("T")

_REMEDY = 'Correct it; "vol3d config schema" prints every key with its type.'


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads scalars as YAML 1.2 does and refuses duplicate keys.

    YAML 1.1 reads ``1e-4`` as a string, ``no`` as False and ``2026-01-01`` as a date.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_SCALARS = {
    "tag:yaml.org,2002:bool": (r"true|True|false|False", "tTfF"),
    "tag:yaml.org,2002:null": (r"~|null|Null|", "~nN\0"),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+.0123456789",
    ),
}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what ``_Loader`` would not read as a string."""


def _read_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _read_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).replace(".inf", "inf").replace(".nan", "nan"))


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, (_pattern, _first) in _SCALARS.items():
        _starts = ["" if character == "\0" else character for character in _first]
        _class.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _starts)
_Loader.add_constructor("tag:yaml.org,2002:int", _read_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _read_float)


def read_mapping(name: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The keys and values of a YAML file with overrides applied; not yet checked against a type.

    Args:
        name: A path or a name, see ``find_config``.
        overrides: ``key.sub=value`` items; the value is read as YAML.

    Raises:
        ConfigError: No such file, not a YAML mapping, or an override without ``=``.
    """
    path = find_config(name)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _problem("UTF-8 text", f"a bad byte at {error.start}", path.name) from error
    data = _parse_yaml(text, where=path.name)
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise _problem("a mapping of keys to values", type(data).__name__, path.name)
    for override in overrides:
        _apply_override(data, override)
    return data


def load_config(cls: type[T], path_or_name: str | Path, overrides: Sequence[str] = ()) -> T:
    """The configuration in a file, as an instance of ``cls``.

    Types are strict: ``"6"`` is not an integer. Lists become tuples where the type says so.

    Args:
        cls: A dataclass (frozen, nested as needed); it decides which keys exist.
        path_or_name: A path or a name, see ``find_config``.
        overrides: ``key.sub=value`` items applied on top of the file.

    Raises:
        ConfigError: The file is missing or damaged, a key is unknown, or values do not fit. All
            errors are listed in one message, each with file and key.
    """
    from pydantic import TypeAdapter, ValidationError

    data = read_mapping(path_or_name, overrides)
    where = Path(path_or_name).name
    try:
        text = json.dumps(data)
    except (TypeError, ValueError) as error:
        got = f"a value that is none of these ({error})"
        raise _problem("texts, numbers, lists and mappings", got, where) from error
    try:
        return TypeAdapter(cls).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        raise ConfigError(_list_errors(error, where)) from error


def config_to_yaml(config: object) -> str:
    """The YAML text of a configuration; ``load_config`` of it gives an equal object."""
    from pydantic import TypeAdapter

    data = TypeAdapter(type(config)).dump_python(config, mode="json")
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def _parse_yaml(text: str, *, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error)
        raise _problem("valid YAML", reason, f"{where}{line}") from error
    except (ValueError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__} while reading it"
        raise _problem("plain YAML of reasonable size", reason, where) from error


def _apply_override(data: dict[str, Any], override: str) -> None:
    """Sets one dotted key in ``data``, creating sections on the way."""
    dotted, separator, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not separator or not all(keys):
        raise _problem("key=value or key.sub=value", repr(override), "override")
    section = data
    for position, key in enumerate(keys[:-1]):
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            parent = ".".join(keys[: position + 1])
            raise _problem(f"a section at {parent}", repr(section), f"override {override!r}")
    section[keys[-1]] = _parse_yaml(text, where=f"override {dotted}")


def _list_errors(error: ValidationError, where: str) -> str:
    """One line per error: file, key, what came, what was expected."""
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        given = "nothing" if item["type"] == "missing" else _short(item["input"])
        lines.append(f"{where}: {key}: got {given}; {item['msg'][0].lower()}{item['msg'][1:]}.")
    count = len(lines)
    head = f"{where}: {count} error{'s' if count > 1 else ''} in the configuration.\n"
    return head + "\n".join(f"  {line}" for line in lines) + f"\n{_REMEDY}"


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _problem(expected: str, got: str, where: str) -> ConfigError:
    return ConfigError(explain(expected=expected, got=got, where=where, remedy=_REMEDY))
