"""vol3d: read CT and MR volumes, say what they show, and prove it. Research use only."""

__version__ = "0.1.0"
