"""How large, where and how many: what a clause on lesions says of each of them."""

from __future__ import annotations

import re
from itertools import pairwise

from vol3d.anatomy import group_members
from vol3d.report.extract_terms import Terms, first_meaning

_NUMBER = r"\d{1,6}(?:[.,]\d{1,6})?"
_UNIT = r"(?:mm|cm|millimet(?:re|er)s?|centimet(?:re|er)s?|毫米|厘米)"
SIZE = re.compile(
    rf"({_NUMBER}(?:[\s-]*{_UNIT}?\s*(?:[x\u00d7*]|by)\s*{_NUMBER}){{0,2}})"
    rf"[\s-]*({_UNIT})(?![23³²a-z])"
)
VOLUME = re.compile(rf"{_NUMBER}\s*(?:cm3|cm³|cm\^3|cc|ml)\b")
SLICE = re.compile(
    r"\(slice \d+ of \d+\)|on slice \d+ of \d+|(?:最大层面)?\uff08第\d+/\d+层\uff09"
    r"|\(?\b(?:series|se|image|im|slice)\.? \d+(?:[,/;]? ?(?:image|im|slice)\.? \d+)?\)?"
)
_SHARED_UNIT = re.compile(
    rf"(?<![\d.])(?<!segment )(?<!segments )({_NUMBER})"
    rf"(?=(?:, {_NUMBER})*,? and {_NUMBER}\s*({_UNIT})\b)"
)
_BOUND = re.compile(
    rf"(?:<|less than|smaller than|under|below|不足|小于)\s*({_NUMBER})\s*({_UNIT})"
)
_SUBCENTIMETRE = re.compile(r"sub-?centimet(?:re|er)|亚厘米")
_RANGE = re.compile(
    rf"(?:from|between)\s+{_NUMBER}\s*{_UNIT}?\s*(?:to|and|-|\u2013)\s*(?={_NUMBER}\s*{_UNIT})"
    rf"|{_NUMBER}\s*{_UNIT}?\s*(?:to|-|\u2013|~|至)\s*(?={_NUMBER}\s*{_UNIT})"
)
_BARE_SEGMENT = re.compile(r"^\s*(?=(?:\d[ab]?|[iv]+[ab]?)\s*\()")
"""``segments 4 (12 mm) and 6 (9 mm)``: the word stands once."""
_JOINT = re.compile(",? and |[,;] |[\uff0c\uff1b、及和]")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_UNCOUNTED = {
    "effusion",
    "ascites",
    "emphysema",
    "atelectasis",
    "consolidation",
    "opacity",
    "lymph_node",
}
_PART_OWNERS = {
    "pancreas": ("head", "body", "tail"),
    "lung": ("upper_lobe", "middle_lobe", "lower_lobe"),
    "brain": ("frontal", "temporal", "parietal", "occipital"),
}


def with_units(clause: str) -> str:
    """The clause with a unit after each size and of a range its upper end only.

    ``12 and 25 mm`` becomes ``12 mm and 25 mm``, and ``from 5 to 12 mm`` becomes ``12 mm``.
    """
    return _SHARED_UNIT.sub(lambda m: f"{m[1]} {m[2]}", _RANGE.sub(" ", clause))


def sizes_in(clause: str) -> tuple[float, ...]:
    """Diameters in mm, largest first; of several sizes the largest one."""
    groups = []
    for match in SIZE.finditer(_BOUND.sub(" ", clause)):
        numbers = [_mm(number, match[2]) for number in re.findall(_NUMBER, match[1])]
        groups.append(tuple(sorted(numbers, reverse=True)))
    return max(groups, default=())


def bound_in(clause: str) -> float | None:
    """What the diameter is said to be below, in mm: 10 for ``subcentimetre``."""
    match = _BOUND.search(clause)
    if match is not None:
        return _mm(match[1], match[2])
    return 10.0 if _SUBCENTIMETRE.search(clause) else None


def _mm(number: str, unit: str) -> float:
    scale = 10.0 if unit.startswith(("cm", "centi", "厘")) else 1.0
    return round(float(number.replace(",", ".")) * scale, 3)


def pieces_of(clause: str, terms: Terms) -> list[str]:
    """The clause cut so that each piece holds one size, where it lists several lesions.

    A list names the place of each lesion before its size or after it, and the cut goes after the
    size or before the next one.
    """
    found = list(SIZE.finditer(clause))
    if len(found) < 2:
        return [clause]
    is_place_first = bool(_place_marks(clause[: found[0].start()], terms))
    pieces, start = [], 0
    for this, following in pairwise(found):
        joints = list(_JOINT.finditer(clause, this.end(), following.start()))
        if not joints:
            continue
        joint = joints[0] if is_place_first else joints[-1]
        pieces.append(clause[start : joint.start()])
        start = joint.end()
    pieces.append(clause[start:])
    if "segment" in pieces[0]:
        return [pieces[0], *(_BARE_SEGMENT.sub("segment ", each) for each in pieces[1:])]
    return pieces


def _place_marks(text: str, terms: Terms) -> bool:
    return terms.has("segments", text) or any(pattern.search(text) for pattern, _ in terms.parts)


def location_in(clause: str, organ: str, terms: Terms) -> tuple[str, ...]:
    """Segments of the liver, parts of the pancreas, or lobes that a clause names."""
    clause = SIZE.sub(" ", clause)
    if organ == "liver":
        found = []
        for match in terms.single["segments"].finditer(clause):
            found += _segments(match.group(1))
        lobe = next((parts for pattern, parts in terms.lobes if pattern.search(clause)), ())
        return tuple(sorted(dict.fromkeys(found))) or lobe
    owners = _PART_OWNERS.get(organ, ())
    names = [name for pattern, name in terms.parts if pattern.search(clause) and name in owners]
    return tuple(dict.fromkeys(names))


def _segments(text: str) -> list[str]:
    """Numbers of liver segments; ``5-8`` stands for all four."""
    found: list[str] = []
    for first, last in re.findall(r"(\d|[iv]+)[ab]?(?:\s*[-\u2013]\s*(\d|[iv]+))?", text):
        low, high = _ROMAN.get(first, first), _ROMAN.get(last, last)
        if low.isdigit() and high.isdigit():
            found += [str(number) for number in range(int(low), int(high) + 1)]
        else:
            found.append(low)
    return found


def is_paired(organ: str) -> bool:
    """Whether an organ has a left and a right one."""
    return len(group_members(organ)) == 2 or organ in ("lung", "brain")


def side_in(clause: str, organ: str, own: str | None, terms: Terms) -> str | None:
    """Side of a paired organ: the one its name holds, else what the clause says."""
    if not is_paired(organ):
        return None
    return own if own is not None else first_meaning(clause, terms.sides)


def count_in(
    clause: str, kind: str | None, match: re.Match[str] | None, terms: Terms
) -> int | None:
    """How many lesions a clause speaks of; ``None`` where it leaves that open."""
    if kind is None or match is None or kind in _UNCOUNTED:
        return None
    if terms.language == "zh":
        return _count_zh(clause, match, terms)
    before = SLICE.sub(" ", SIZE.sub(" ", clause[: match.end()]))
    before = terms.without("scores", terms.without("segments", before))
    words = re.findall(r"[a-z]+|\b\d+\b", before)
    each = re.search(r"one (?:lesion|cyst|mass|nodule) each", clause)
    if each:
        return max(len(location_in(clause, "liver", terms)), 2)
    for word in reversed(words[-6:]):
        if word in terms.numbers:
            return terms.numbers[word]
        if word.isdigit() and int(word) <= MOST_COUNTED:
            return int(word)
    noun = match.group().split()[0] if "annotated" in match.group() else match.group()
    is_plural = noun.endswith(("s", "ses")) and noun not in ("mass", "metastasis", "focus")
    is_plural = is_plural or noun in ("metastases", "masses", "foci", "metastatic disease")
    return None if is_plural or terms.has("plural", clause) else 1


MOST_COUNTED = 50
"""A larger bare number before a lesion is no count: a year, an image number."""


def _count_zh(clause: str, match: re.Match[str], terms: Terms) -> int | None:
    number = re.search(r"(\d{1,3}|[一两二三四五六七八九十])[个枚处]", clause)
    if number is not None:
        text = number.group(1)
        count = int(text) if text.isdigit() else terms.numbers[text]
        if "各见" in clause:
            return count * max(len(location_in(clause, "liver", terms)), 1)
        return count
    return None if terms.has("plural", clause) else 1
