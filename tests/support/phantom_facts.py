"""Facts of a phantom, measured on its masks."""

from __future__ import annotations

from vol3d.measure.case_masks import assemble_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.phantom import PhantomConfig, make_phantom

PHANTOM_ORGANS = {2: "liver", 3: "spleen", 4: "pancreas", 5: "kidney_left", 6: "kidney_right"}
LESION_LABELS = {2: 1, 4: 2, 5: 3, 6: 4}
"""Label of a phantom's lesion by the organ it lies in."""
LESION_NAMES = {
    1: "liver_lesion",
    2: "pancreas_lesion",
    3: "kidney_lesion_left",
    4: "kidney_lesion_right",
}


def phantom_facts(seed: int) -> CaseFacts:
    """A phantom's facts, measured on its masks."""
    phantom = make_phantom(seed, PhantomConfig())
    lesions = phantom.organs_zyx * (phantom.lesions_zyx > 0)
    marked = lesions * 0
    for organ, label in LESION_LABELS.items():
        marked[lesions == organ] = label
    layers = tuple(
        MaskLayer(labels_zyx=labels, names=table, declared=table)
        for labels, table in ((phantom.organs_zyx, PHANTOM_ORGANS), (marked, LESION_NAMES))
    )
    masks = assemble_masks([Masks(layers=layers, scheme=None)])
    options = MeasureOptions(case_id=f"phantom_{seed:08d}", mask_source="phantom")
    return measure_case_masks(phantom.volume, masks, options)
