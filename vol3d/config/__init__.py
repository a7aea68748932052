"""Typed configuration: YAML and dotted overrides to frozen dataclasses. Knows no component."""

from vol3d.config.find import config_roots, find_config, list_configs
from vol3d.config.load import config_to_yaml, load_config, read_mapping
from vol3d.config.tables import csv_rows, json_lines, parse_json, read_utf8

__all__ = [
    "config_roots",
    "config_to_yaml",
    "csv_rows",
    "find_config",
    "json_lines",
    "list_configs",
    "load_config",
    "parse_json",
    "read_mapping",
    "read_utf8",
]
