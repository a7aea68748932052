"""Numbers as a report prints them: cm, cm3, HU and % with one decimal, ratios with two."""

from __future__ import annotations

import math

from vol3d.anatomy import threshold


def one(value: float) -> str:
    """One decimal, for cm3, HU, mm and %; never ``-0.0``."""
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text


def ratio(value: float) -> str:
    """Two decimals."""
    return f"{value:.2f}"


def cm_from_mm(length_mm: float) -> str:
    """A length in cm with one decimal; one that would round to 0.0 with two."""
    text = f"{length_mm / 10:.1f}"
    return text if text != "0.0" else f"{length_mm / 10:.2f}"


def volume(volume_cm3: float) -> str:
    """A volume in cm3 with one decimal; one that would round to 0.0 with two or three."""
    for decimals in (1, 2, 3):
        text = f"{volume_cm3:.{decimals}f}"
        if float(text) > 0 or volume_cm3 == 0:
            return text
    return text


def percent(share_percent: float) -> str:
    """A share in % with one decimal; one that would round to 0.0 with two or three."""
    return volume(share_percent)


def angle(angle_deg: float) -> str:
    """Whole degrees, rounded so that the printed angle lies in the same class as the true one.

    A contact below one degree is not printed as 0, nor one just below the limit of encasement as
    that limit.
    """
    limit = threshold("t_stage.artery_angle_deg")
    rounded = round(angle_deg)
    if angle_deg > 0 and rounded == 0:
        return "1"
    if angle_deg < limit <= rounded:
        return str(math.floor(angle_deg))
    return str(rounded)
