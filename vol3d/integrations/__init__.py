"""Plug-ins for other people's tools."""
