"""Public sets by their published layout: M3D-Cap, M3D-VQA, CT-RATE, Merlin, 3D-RAD.

Nothing is downloaded: every loader reads a folder that the user has. A bad row or a missing image
is named, never replaced by another.
"""
