"""Typed configuration: YAML and dotted overrides to frozen dataclasses. Knows no component."""

from vol3d.config.find import config_roots, find_config, list_configs
from vol3d.config.load import config_to_yaml, load_config, read_mapping

__all__ = [
    "config_roots",
    "config_to_yaml",
    "find_config",
    "list_configs",
    "load_config",
    "read_mapping",
]
