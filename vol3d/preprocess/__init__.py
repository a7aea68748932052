"""From scan to encoder input: resampling, cropping, windows, and the way back.

The records import neither torch nor MONAI; the work is in ``pipeline`` and ``restore``.
"""

from vol3d.preprocess.prepared import PreparedVolume
from vol3d.preprocess.spec import PreprocessSpec

__all__ = ["PreparedVolume", "PreprocessSpec"]
