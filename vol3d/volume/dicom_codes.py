"""What may leave a DICOM header: known terms only.

Header text can hold a patient's name in any field, code strings included. So a term is passed on
only when it is on a list here or has the shape of a kernel name; anything else becomes ``OTHER``.
"""

from __future__ import annotations

import re
from typing import Literal

BodyRegion = Literal["head", "neck", "chest", "abdomen", "pelvis", "extremity"]
BODY_PART_REGIONS: dict[str, BodyRegion | None] = {
    "ABDOMEN": "abdomen",
    "ABDOMENPELVIS": "abdomen",
    "ANKLE": "extremity",
    "AORTA": None,
    "ARM": "extremity",
    "BLADDER": "pelvis",
    "BRAIN": "head",
    "BREAST": "chest",
    "CAROTID": "neck",
    "CERVIX": "pelvis",
    "CHEST": "chest",
    "CHESTABDOMEN": None,
    "CHESTABDPELVIS": None,
    "CLAVICLE": "extremity",
    "COCCYX": "pelvis",
    "COLON": "abdomen",
    "CSPINE": "neck",
    "CTSPINE": None,
    "ELBOW": "extremity",
    "EXTREMITY": "extremity",
    "EYE": "head",
    "FEMUR": "extremity",
    "FOOT": "extremity",
    "GALLBLADDER": "abdomen",
    "HAND": "extremity",
    "HEAD": "head",
    "HEADNECK": "head",
    "HEART": "chest",
    "HIP": "pelvis",
    "HUMERUS": "extremity",
    "IAC": "head",
    "JAW": "head",
    "KIDNEY": "abdomen",
    "KNEE": "extremity",
    "LEG": "extremity",
    "LIVER": "abdomen",
    "LSPINE": None,
    "LSSPINE": None,
    "LUNG": "chest",
    "MAXILLA": "head",
    "MEDIASTINUM": "chest",
    "NECK": "neck",
    "NECKCHEST": None,
    "NECKCHESTABDOMEN": None,
    "NECKCHESTABDPELV": None,
    "ORBIT": "head",
    "PANCREAS": "abdomen",
    "PARTIALBODY": None,
    "PELVIS": "pelvis",
    "PROSTATE": "pelvis",
    "RIB": "chest",
    "SCAPULA": "extremity",
    "SELLA": "head",
    "SHOULDER": "extremity",
    "SINUS": "head",
    "SKULL": "head",
    "SPINE": None,
    "SPLEEN": "abdomen",
    "SSPINE": "pelvis",
    "STERNUM": "chest",
    "STOMACH": "abdomen",
    "THIGH": "extremity",
    "THORAX": "chest",
    "TLSPINE": None,
    "TSPINE": None,
    "UTERUS": "pelvis",
    "WHOLEBODY": None,
    "WRIST": "extremity",
    "ZYGOMA": "head",
}
"""Region of every known body part; ``None`` where a part lies in several, like the spine."""
BODY_PARTS = frozenset(BODY_PART_REGIONS)
PATIENT_POSITIONS = frozenset(
    ["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL", "LFP", "LFS", "RFP", "RFS"]
)
VENDORS = {
    "siemens": "SIEMENS",
    "ge ": "GE",
    "general electric": "GE",
    "philips": "PHILIPS",
    "toshiba": "TOSHIBA",
    "canon": "CANON",
    "hitachi": "HITACHI",
    "fujifilm": "FUJIFILM",
    "united imaging": "UNITED IMAGING",
    "uih": "UNITED IMAGING",
    "neusoft": "NEUSOFT",
    "elscint": "ELSCINT",
    "picker": "PICKER",
    "marconi": "MARCONI",
    "shimadzu": "SHIMADZU",
    "samsung": "SAMSUNG",
    "neurologica": "NEUROLOGICA",
    "esaote": "ESAOTE",
}
KERNEL_WORDS = frozenset(
    [
        "STANDARD",
        "SOFT",
        "BONE",
        "LUNG",
        "DETAIL",
        "EDGE",
        "CHEST",
        "BONEPLUS",
        "ULTRA",
        "STD",
        "STD+",
        "HD",
        "HDBONE",
        "HDSTD",
        "SMOOTH",
        "SHARP",
        "BRAIN",
        "BODY",
    ]
)
_KERNEL = re.compile(r"[A-Za-z]{1,2}\d{1,3}[A-Za-z]{0,2}|[A-Z]{1,2}")
SEQUENCES = frozenset(["SE", "IR", "GR", "EP", "RM", "SPIN", "GRADIENT", "BOTH"])
# Image types whose values are not the attenuation of the patient (DICOM PS3.3 C.8.15.2, C.8.16.1).
NOT_ATTENUATION = frozenset(
    [
        "PERFUSION",
        "RCBF",
        "RCBV",
        "CBF",
        "CBV",
        "MTT",
        "TTP",
        "TMAX",
        "PERMEABILITY",
        "SUBTRACTION",
        "DIVISION",
        "MULTIPLICATION",
        "STD_DEVIATION",
        "NORMALIZED",
        "MOTION",
        "DENSITY",
        "ELECTRON_DENSITY",
        "EFF_ATOMIC_NUM",
        "MAT_SPECIFIC",
        "MAT_FRACTIONAL",
        "MAT_VALUE_BASED",
    ]
)
LOCALIZERS = frozenset(["LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"])
RESCALE_TYPES = frozenset(["HU", "US", "OD", "PCT", "HU_MOD", "ED", "EDW", "Z_EFF", "MGML"])
OTHER = "OTHER"
PHASE_TAGS = (
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "EchoNumbers",
    "EchoTime",
    "EffectiveEchoTime",
    "NominalPercentageOfCardiacPhase",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "DiffusionBValue",
    "ConvolutionKernel",
    "KVP",
    "ImageType",
    "FrameType",
    "AcquisitionTime",
    "ContentTime",
)
"""What may tell volumes of one series apart that lie at the same positions, surest first."""

FREE_TEXT_TAGS = (
    "AdmittingDiagnosesDescription",
    "AdditionalPatientHistory",
    "ImageComments",
    "InterpretationText",
    "InterpretationDiagnosisDescription",
    "PatientComments",
    "ReasonForStudy",
    "ReasonForTheRequestedProcedure",
    "RequestedProcedureComments",
    "StudyComments",
)
"""Free text on diagnosis, history or comments: whether it is there is told, never what it says."""


def known_term(value: str | None, terms: frozenset[str]) -> str | None:
    """The term in upper case when it is on the list, ``OTHER`` when not, ``None`` when empty."""
    text = (value or "").strip().upper()
    if not text:
        return None
    return text if text in terms else OTHER


def vendor(value: str | None) -> str | None:
    """The maker's name from a short list, ``OTHER`` for the rest, ``None`` when empty."""
    text = (value or "").strip().lower()
    if not text:
        return None
    return next((name for start, name in VENDORS.items() if f"{text} ".startswith(start)), OTHER)


def kernel(value: str | None) -> str | None:
    """A convolution kernel such as ``Br38f``, ``FC13`` or ``STANDARD``; else ``OTHER``."""
    text = (value or "").strip()
    if not text:
        return None
    if text.upper() in KERNEL_WORDS:
        return text.upper()
    return text if _KERNEL.fullmatch(text) else OTHER
