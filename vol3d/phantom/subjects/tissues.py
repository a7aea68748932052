"""Labels of a phantom's tissues and their HU by contrast phase."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Phase = Literal["unenhanced", "arterial", "venous", "delayed"]
PHASES: tuple[Phase, ...] = ("unenhanced", "arterial", "venous", "delayed")

_UNNAMED = (
    *("fat_of_cavity", "skin", "fat", "muscle", "rib", "cartilage", "diaphragm"),
    *("ascites", "effusion", "consolidation", "scalp", "cerebrospinal_fluid"),
)
_STRUCTURES = (
    *("liver", "spleen", "pancreas", "kidney_left", "kidney_right"),
    *("adrenal_gland_left", "adrenal_gland_right", "gallbladder", "common_bile_duct"),
    *("pancreatic_duct", "stomach", "duodenum", "small_bowel", "colon", "rectum", "esophagus"),
    *("urinary_bladder", "prostate", "uterus", "aorta", "inferior_vena_cava"),
    *("portal_vein_and_splenic_vein", "superior_mesenteric_vein", "superior_mesenteric_artery"),
    *("celiac_trunk", "common_hepatic_artery", "splenic_artery"),
    *("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right"),
    *(
        "heart",
        "lung_left",
        "lung_right",
        "trachea",
        "pulmonary_artery",
        "spinal_cord",
        "vertebrae",
        "sacrum",
    ),
    *("hip_left", "hip_right", "femur_left", "femur_right", "autochthon_left", "autochthon_right"),
    *("iliopsoas_left", "iliopsoas_right", "sternum", "scapula_left", "scapula_right"),
    *("humerus_left", "humerus_right", "superior_vena_cava"),
    *(f"liver_segment_{n}" for n in range(1, 9)),
    *("pancreas_head", "pancreas_body", "pancreas_tail"),
    *("lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right"),
    *("lung_middle_lobe_right", "lung_lower_lobe_right"),
    *("brain", "skull", "third_ventricle", "lateral_ventricle_left", "lateral_ventricle_right"),
    *("cerebral_hemisphere_left", "cerebral_hemisphere_right", "cerebellum", "brainstem"),
    *(
        f"{n}_lobe_{s}"
        for n in ("frontal", "temporal", "parietal", "occipital")
        for s in ("left", "right")
    ),
)
LABELS: Mapping[str, int] = MappingProxyType(
    {key: number for number, key in enumerate((*_UNNAMED, *_STRUCTURES), start=1)}
)
"""Values of label arrays by structure key; tissues without a key there come first."""
STRUCTURE_LABELS: Mapping[int, str] = MappingProxyType(
    {number: key for key, number in LABELS.items() if key not in _UNNAMED}
)
"""Structure keys of ``vol3d.anatomy`` by value."""
FREE = LABELS["fat_of_cavity"]

HU: Mapping[str, tuple[float, float, float, float]] = MappingProxyType(
    {
        # unenhanced, arterial (35 s), portal venous (70 s), delayed (5 min)
        "aorta": (40, 310, 155, 105),
        "inferior_vena_cava": (38, 75, 140, 105),
        "portal_vein_and_splenic_vein": (40, 120, 165, 108),
        "superior_mesenteric_vein": (40, 105, 165, 108),
        "liver": (61, 74, 112, 94),
        "spleen": (48, 135, 122, 95),
        "pancreas": (40, 108, 92, 72),
        "kidney_cortex": (33, 170, 185, 150),
        "kidney_medulla": (31, 65, 165, 150),
        "kidney_pelvis": (5, 6, 12, 320),
        "adrenal_gland": (28, 65, 75, 55),
        "gallbladder": (8, 8, 9, 10),
        "bile": (6, 6, 7, 8),
        "bowel_wall": (38, 85, 92, 75),
        "bowel_content": (18, 18, 20, 22),
        "muscle": (55, 60, 65, 64),
        "prostate": (38, 62, 75, 72),
        "uterus": (42, 95, 110, 95),
        "urine": (5, 5, 6, 130),
        "heart": (40, 250, 150, 105),
        "ascites": (8, 8, 9, 10),
        "pulmonary_artery": (40, 280, 150, 105),
        "effusion": (10, 10, 11, 11),
        "fat": (-105, -105, -104, -104),
        "lung": (-850, -845, -845, -845),
        "cord": (30, 32, 34, 34),
        "trabecular_bone": (180, 182, 185, 184),
        "cortical_bone": (750, 750, 750, 750),
    }
)
"""Mean HU at 120 kVp by phase.

Source: typical values of abdominal CT in the radiological literature (Bae 2010 on contrast timing;
Kodama 2007 on unenhanced liver and spleen); each case draws its own around them.
"""


def base_hu(tissue: str, phase: Phase) -> float:
    """Typical HU of a tissue in a phase."""
    return HU[tissue][PHASES.index(phase)]
