"""Files for readers: text, JSON, a self-contained page, and pictures of key slices."""

from vol3d.export.gallery import draw_figures, draw_preview
from vol3d.export.page import render_page
from vol3d.export.writer import ReportFiles, check_output_dir, render_text, write_report

__all__ = [
    "ReportFiles",
    "check_output_dir",
    "draw_figures",
    "draw_preview",
    "render_page",
    "render_text",
    "write_report",
]
