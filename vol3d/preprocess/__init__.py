"""From scan to encoder input: resampling, cropping, windows, and the way back."""
