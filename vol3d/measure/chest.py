"""Chest CT: lung volume, emphysema index, cardiothoracic ratio, and the words they settle.

A word is settled only by a mask that was made for it or by a measurement that decides it; words
that neither decides (bronchiectasis, mosaic attenuation ...) are left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import cc3d
import numpy as np
import numpy.typing as npt

from vol3d.anatomy import CT_RATE_ABNORMALITIES, threshold
from vol3d.measure.case_masks import CaseMasks, structure_voxels
from vol3d.measure.facts import CaseFacts, ChestFacts, Gate, OrganFacts
from vol3d.measure.instances import bounding_box, padded_box
from vol3d.measure.presence import lesion_presence
from vol3d.measure.rules import is_ct_in_hu
from vol3d.volume import Volume

BoolArray = npt.NDArray[np.bool_]
EMPHYSEMA_RULE = "emphysema_index"
AROUND_CALCIUM_MM = 10.0
"""How far around an artery bone is recognised as such."""

_BY_MASK: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Pericardial effusion": ("pericardium", ("effusion",)),
        "Lymphadenopathy": ("mediastinum", ("lymph_node",)),
        "Atelectasis": ("lung", ("atelectasis",)),
        "Lung nodule": ("lung", ("nodule", "tumor", "metastasis")),
        "Lung opacity": ("lung", ("opacity",)),
        "Pleural effusion": ("pleura", ("effusion",)),
        "Consolidation": ("lung", ("consolidation",)),
    }
)
"""Organ and lesion types by word; the first type is the one whose absence is the word's."""


def chest_facts(volume: Volume, masks: CaseMasks, facts: CaseFacts) -> ChestFacts | None:
    """What the masks of a chest CT allow, or ``None`` where they allow nothing.

    Args:
        volume: The scan; axes to S, A, R.
        masks: Its masks, left and right told apart.
        facts: Its organs and lesions.
    """
    if not is_ct_in_hu(facts):
        return None
    lungs = lung_keys(facts)
    is_whole = bool(lungs) and all(facts.organs[key].status == "whole" for key in lungs)
    inside = structure_voxels(masks, lungs) if lungs else None
    index = emphysema_index_percent(volume, inside) if is_whole and inside is not None else None
    found = ChestFacts(
        lung_volume_cm3=sum(facts.organs[key].volume_cm3 for key in lungs) if is_whole else None,
        emphysema_index_percent=index,
        cardiothoracic_ratio=None
        if inside is None
        else cardiothoracic_ratio(volume, inside, facts.whole_organ("heart")),
    )
    words = _abnormalities(facts, found, is_whole=is_whole) | _calcified(volume, masks, facts)
    ordered = {word: words[word] for word in CT_RATE_ABNORMALITIES if word in words}
    found = found.model_copy(update={"abnormalities": ordered})
    return None if found == ChestFacts() else found


def chest_gates(facts: CaseFacts) -> tuple[Gate, ...]:
    """Why chest rules that could have spoken did not."""
    if not is_ct_in_hu(facts) or not lung_keys(facts):
        return ()
    cut = [key for key in lung_keys(facts) if facts.organs[key].status != "whole"]
    if not cut:
        return ()
    reason = "the lungs are cut off by the field of view; share and volume would be of a part"
    return (Gate(rule=EMPHYSEMA_RULE, reason=reason),)


def lung_keys(facts: CaseFacts) -> tuple[str, ...]:
    """The structures that are the lungs: left and right, or both in one; empty if one lacks."""
    for keys in (("lung_left", "lung_right"), ("lungs",)):
        if all(facts.organ(key) is not None for key in keys):
            return keys
    return ()


def emphysema_index_percent(volume: Volume, lungs_zyx: BoolArray) -> float | None:
    """Lung voxels below -950 HU as percent of all lung voxels; ``None`` without lungs.

    Args:
        volume: A CT in HU.
        lungs_zyx: Both lungs.

    Source: Gevenois et al. 1996 (thin slices in full inspiration).
    """
    limit = threshold("emphysema.hu")
    count = low = 0
    for values, inside in zip(volume.voxels_zyx, lungs_zyx, strict=True):
        here = values[inside]
        count += here.size
        low += int(np.count_nonzero(here < limit))
    return 100.0 * low / count if count else None


def cardiothoracic_ratio(
    volume: Volume, lungs_zyx: BoolArray, heart: OrganFacts | None
) -> float | None:
    """Width of the heart as a share of the inner width of the chest.

    Both are projections along the body, as on a frontal radiograph: the heart's from its right to
    its left border over all slices, the chest's between the outer borders of the lungs in the
    slice where they lie farthest apart.

    Args:
        volume: The scan; its x axis runs to the patient's right.
        lungs_zyx: Both lungs.
        heart: The heart, whole.

    Returns:
        ``None`` where the heart is not whole, the lungs touch the scan's right or left border, or
        they do not reach down to the heart's lower border.
    """
    if heart is None or heart.box_zyx is None:
        return None
    columns: BoolArray = np.asarray(lungs_zyx.any(axis=1))
    if columns[:, 0].any() or columns[:, -1].any():
        return None
    slices = np.flatnonzero(columns.any(axis=1))
    first_z, _, first_x, _, _, last_x = heart.box_zyx
    if not slices.size or slices[0] > first_z:
        return None
    widths = [int(np.ptp(np.flatnonzero(columns[z]))) + 1 for z in slices]
    return (last_x - first_x + 1) / max(widths)


def _abnormalities(facts: CaseFacts, chest: ChestFacts, *, is_whole: bool) -> dict[str, bool]:
    """Words settled by lesion masks, the emphysema index and the cardiothoracic ratio.

    A mask shows that something is there in any scan; that it is not is said of whole lungs only,
    and of a whole heart for the pericardium.
    """
    found: dict[str, bool] = {}
    for word, (organ, types) in _BY_MASK.items():
        if any(facts.lesions_of(organ, each) for each in types):
            found[word] = True
            continue
        is_seen = facts.whole_organ("heart") is not None if organ == "pericardium" else is_whole
        if is_seen and lesion_presence(facts, organ, types[0]) is False:
            found[word] = False
    if chest.cardiothoracic_ratio is not None:
        found["Cardiomegaly"] = chest.cardiothoracic_ratio > threshold("cardiomegaly.ratio")
    if facts.lesions_of("lung", "emphysema"):
        found["Emphysema"] = True
    elif chest.emphysema_index_percent is not None:
        limit = threshold("emphysema.index_percent")
        found["Emphysema"] = chest.emphysema_index_percent > limit
    return found


def _calcified(volume: Volume, masks: CaseMasks, facts: CaseFacts) -> dict[str, bool]:
    """Calcified arteries on unenhanced CT.

    The aorta alone cannot show that no artery is calcified, so its word is only ever true; the
    coronary arteries settle theirs where they are whole.
    """
    if facts.scan.phase.value != "unenhanced":
        return {}
    found: dict[str, bool] = {}
    if _has_calcium(volume, masks, "aorta"):
        found["Arterial wall calcification"] = True
    coronary = _has_calcium(volume, masks, "coronary_arteries")
    if coronary or (coronary is False and facts.whole_organ("coronary_arteries")):
        found["Coronary artery wall calcification"] = coronary
    return found


def _has_calcium(volume: Volume, masks: CaseMasks, key: str) -> bool | None:
    """Whether a structure holds calcium; ``None`` where it is not masked.

    A connected bright part counts by the voxels that lie in the structure, if these are most of it:
    a vertebra that blurs into the aorta's mask is none.
    """
    at = masks.structures.get(key)
    if at is None:
        return None
    box = bounding_box(masks.layers[at.layer] == at.label)
    if box is None:
        return None
    box = padded_box(box, volume.grid, AROUND_CALCIUM_MM)
    inside = masks.layers[at.layer][box] == at.label
    bright = volume.voxels_zyx[box] >= threshold("calcification.hu")
    parts = cc3d.connected_components(np.ascontiguousarray(bright), connectivity=26)
    own = np.bincount(parts[inside], minlength=int(parts.max()) + 1)[1:]
    whole = np.bincount(parts.ravel())[1:]
    least = threshold("calcification.volume_mm3") / volume.grid.voxel_volume_mm3
    return bool(((own >= least) & (own > 0.5 * whole)).any())
