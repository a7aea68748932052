"""What follows from independently measured organs and lesions; written apart from the engine."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from vol3d.anatomy import threshold

Record = dict[str, Any]
_ALL_TYPES = {
    "liver": [{"tumor", "cyst"}],
    "kidney": [{"tumor", "cyst"}],
    "pancreas": [{"pdac", "pnet", "cyst"}, {"tumor", "cyst"}],
    "colon": [{"tumor"}],
}
_MEMBERS = {"kidney": ("kidney_left", "kidney_right")}
_PARTS = {
    "liver": {str(n): f"liver_segment_{n}" for n in range(1, 9)},
    "pancreas": {part: f"pancreas_{part}" for part in ("head", "body", "tail")},
    "kidney": {"left": "kidney_left", "right": "kidney_right"},
}
_LIMITS = {
    "liver": "liver.enlarged_cm3",
    "spleen": "spleen.enlarged_cm3",
    "pancreas": "pancreas.enlarged_cm3",
    "kidney_left": "kidney.enlarged_cm3",
    "kidney_right": "kidney.enlarged_cm3",
}
_ARTERIES = ("superior_mesenteric_artery", "celiac_trunk", "common_hepatic_artery")
_VEINS = ("portal_vein_and_splenic_vein", "portal_vein", "superior_mesenteric_vein")
_T4 = ("stomach", "spleen", "colon", "adrenal_gland_left", "kidney_left")
_T3 = ("duodenum", "common_bile_duct")


class Findings:
    """Rules over one case.

    Args:
        organs: As ``measured_organs`` gives them.
        lesions: As ``measured_lesions`` gives them.
        looked_for: Lesion types that have a mask, by organ.
        scan: ``phase`` and ``kvp``, which no voxel tells.
    """

    def __init__(
        self,
        organs: dict[str, Record],
        lesions: list[Record],
        looked_for: dict[str, set[str]],
        scan: Record,
    ) -> None:
        self.organs, self.lesions, self.scan = organs, lesions, scan
        self.looked_for = {o: types for o, types in looked_for.items() if not self._is_out(o)}

    def derived(self) -> Record:
        """By the names of ``DerivedFacts``."""
        complete = [organ for organ in self.looked_for if self._is_complete(organ)]
        totals = {o: sum(each["volume_cm3"] for each in self._of(o)) for o in complete}
        return {
            "liver_spleen_ratio": self._ratio("liver"),
            "pancreas_spleen_ratio": self._ratio("pancreas"),
            "total_kidney_volume_cm3": self._kidneys(),
            "lesion_volume_cm3": totals,
            "burden_percent": {
                o: 100 * total / size for o, total in totals.items() if (size := self._size(o))
            },
            "lesion_counts": self._counts(),
            "counts_by_segment": self._by_segment(complete),
            "is_enlarged": self._enlarged(),
            "spleen_grade": self._spleen_grade(),
            "is_fatty_liver": self._fatty("liver", "fatty_liver.liver_spleen_ratio"),
            "is_fatty_pancreas": self._fatty("pancreas", "fatty_pancreas.pancreas_spleen_ratio"),
            "steatosis_grade": self._steatosis(),
            "is_portal_hypertension": self._portal_hypertension(),
            "is_outlier": {organ: self._outlier(organ) for organ in complete},
            "liver_clustering": self._clustering() if "liver" in complete else None,
            "kidney_burden": self._kidney_burden() if "kidney" in complete else None,
            "t_stage": self._t_stage(),
            "resectability": self._resectability(),
        }

    def _of(self, organ: str) -> list[Record]:
        own = [each for each in self.lesions if each["organ"] == organ]
        return sorted(own, key=lambda each: -each["num_voxels"])

    def _is_out(self, organ: str) -> bool:
        """Whether the scan shows nothing of an organ and so no lesion either."""
        known = [self.organs[k] for k in _MEMBERS.get(organ, (organ,)) if k in self.organs]
        return bool(known) and not any(each["num_voxels"] for each in known) and not self._of(organ)

    def _is_complete(self, organ: str) -> bool:
        types = self.looked_for.get(organ, set())
        return "lesion" in types or any(each <= types for each in _ALL_TYPES.get(organ, []))

    def _whole(self, key: str) -> Record | None:
        found = self.organs.get(key)
        return found if found is not None and found["status"] == "whole" else None

    def _hu(self, key: str) -> float | None:
        value: float | None = self.organs.get(key, {}).get("mean_intensity")
        return value

    def _ratio(self, key: str) -> float | None:
        own, spleen = self._hu(key), self._hu("spleen")
        return own / spleen if own is not None and spleen is not None and spleen > 0 else None

    def _kidneys(self) -> float | None:
        both = [self.organs.get(key) for key in _MEMBERS["kidney"]]
        if any(each is None or each["status"] not in ("whole", "absent") for each in both):
            return None
        sizes = [each["volume_cm3"] for each in both if each and each["status"] == "whole"]
        return sum(sizes) if sizes else None

    def _size(self, organ: str) -> float | None:
        if organ == "kidney":
            return self._kidneys()
        found = self._whole(organ)
        return None if found is None else found["volume_cm3"]

    def _counts(self) -> Record:
        counts = {}
        for organ, types in self.looked_for.items():
            own = self._of(organ)
            told = {
                each: sum(lesion["type"] == each for lesion in own)
                for each in types | {lesion["type"] for lesion in own}
            }
            counts[organ] = told | ({"any": len(own)} if self._is_complete(organ) else {})
        return counts

    def _by_segment(self, complete: list[str]) -> Record:
        found = {}
        for organ in complete:
            parts = _PARTS.get(organ, {})
            own = self._of(organ)
            is_seen = any(self.organs.get(k, {}).get("num_voxels") for k in parts.values())
            if parts and (is_seen or (own and all(each["segments"] for each in own))):
                places = [
                    [each["side"]] if organ == "kidney" and each["side"] else each["segments"]
                    for each in own
                ]
                found[organ] = {name: sum(name in at for at in places) for name in parts}
        return found

    def _enlarged(self) -> Record:
        found = {}
        for key, limit in _LIMITS.items():
            organ = self.organs.get(key)
            if organ is None or organ["status"] not in ("whole", "truncated"):
                continue
            is_above = organ["volume_cm3"] > threshold(limit)
            if is_above or organ["status"] == "whole":
                found[key] = is_above
        return found

    def _spleen_grade(self) -> str | None:
        spleen = self._whole("spleen")
        if spleen is None:
            return None
        size = spleen["volume_cm3"]
        if size > threshold("spleen.severe_cm3"):
            return "severe"
        if size >= threshold("spleen.moderate_cm3"):
            return "moderate"
        return "mild" if size > threshold("spleen.enlarged_cm3") else "normal"

    def _is_unenhanced(self) -> bool:
        return bool(self.scan["phase"] == "unenhanced")

    def _fatty(self, key: str, limit: str) -> bool | None:
        ratio = self._ratio(key)
        return ratio < threshold(limit) if self._is_unenhanced() and ratio is not None else None

    def _steatosis(self) -> int | None:
        kvp, liver, ratio = self.scan["kvp"], self._hu("liver"), self._ratio("liver")
        is_voltage = kvp is None or threshold("kvp.low") <= kvp <= threshold("kvp.high")
        if not self._is_unenhanced() or not is_voltage or liver is None or ratio is None:
            return None
        reached = [
            grade
            for grade in (1, 2, 3)
            if liver < threshold(f"steatosis.grade{grade}_hu")
            or ratio < threshold(f"steatosis.grade{grade}_ratio")
        ]
        return max(reached, default=0)

    def _portal_hypertension(self) -> bool | None:
        large = self._enlarged().get("spleen")
        if not large:
            return large  # type: ignore[no-any-return]
        liver = self._size("liver")
        if liver is not None and liver < threshold("portal_hypertension.small_liver_cm3"):
            return True
        lobes = [self._size(f"liver_segment_{n}") for n in (1, 5, 6, 7, 8)]
        if None in lobes:
            is_masked = any(f"liver_segment_{n}" in self.organs for n in (1, 5, 6, 7, 8))
            return None if is_masked else True
        caudate, *right = [each or 0.0 for each in lobes]
        limit = threshold("portal_hypertension.caudate_right_lobe_ratio")
        if caudate / sum(right) > limit:
            return True
        return None if liver is None else False

    def _outlier(self, organ: str) -> bool:
        counts = [each["num_voxels"] for each in self._of(organ)]
        least = threshold("outlier.least_lesions")
        return len(counts) >= least and counts[0] >= threshold("outlier.volume_ratio") * counts[1]

    def _clustering(self) -> str | None:
        places = [set(each["segments"]) for each in self._of("liver")]
        if len(places) < 2 or not all(places):
            return None
        names = list(_PARTS["liver"])
        in_one = max(sum(name in at for at in places) for name in names)
        in_two = max(sum(bool(at & set(two)) for at in places) for two in combinations(names, 2))
        if in_one > threshold("clustering.high_share") * len(places):
            return "highly clustered"
        if in_two >= threshold("clustering.some_share") * len(places):
            return "somewhat clustered"
        return "widely distributed"

    def _kidney_burden(self) -> str | None:
        own = self._of("kidney")
        is_seen = all(self._whole(key) for key in _MEMBERS["kidney"])
        if not own or not is_seen or any(each["side"] is None for each in own):
            return None
        left, right = (
            sum(each["num_voxels"] for each in own if each["side"] == side)
            for side in ("left", "right")
        )
        least = threshold("kidney_burden.ratio")
        if left >= least * right:
            return "left"
        return "right" if right >= least * left else "symmetric"

    def _staged(self) -> Record | None:
        return next((each for each in self._of("pancreas") if each["type"] != "cyst"), None)

    def _t_stage(self) -> str | None:
        tumour = self._staged()
        if tumour is None:
            return None
        angles = tumour["vessel_angles_deg"]
        if any(angles.get(key, 0) >= threshold("t_stage.artery_angle_deg") for key in _ARTERIES):
            return "T4"
        if not set(_ARTERIES[:2]) <= set(angles) or tumour["is_truncated"]:
            return None
        size = tumour["longest_axial_diameter_mm"] / 10
        if tumour["type"] != "pnet":
            steps = (threshold("t_stage.t1_cm"), threshold("t_stage.t2_cm"))
            return "T1" if size <= steps[0] else "T2" if size <= steps[1] else "T3"
        near = {key for key, each in tumour["contacts"].items() if each["near_voxels"]}
        if near & set(_T4):
            return "T4"
        is_t3 = size > threshold("pnet.t2_cm") or bool(near & set(_T3))
        needed = _T4 if is_t3 else (*_T4, *_T3)
        if any(key not in self.organs for key in needed):
            return None
        return "T3" if is_t3 else "T1" if size < threshold("pnet.t1_cm") else "T2"

    def _resectability(self) -> str | None:
        tumour = self._staged()
        if tumour is None:
            return None
        angles = tumour["vessel_angles_deg"]
        arteries = [angles[key] for key in _ARTERIES if key in angles]
        veins = [angles[key] for key in _VEINS if key in angles]
        if max(arteries, default=0.0) > threshold("resectability.encasement_deg"):
            return "unresectable"
        if not set(_ARTERIES[:2]) <= set(angles) or tumour["is_truncated"]:
            return None
        if max([*arteries, *veins]) > 0:
            return "borderline resectable"
        return "resectable" if veins else None
