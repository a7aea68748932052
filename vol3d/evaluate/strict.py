"""The strict scorer: answers read as a reader would, every question in the denominator.

Where ``vol3d.evaluate.official`` must repeat what the released code does, this one reads option
texts, thousands separators and exponents, refuses what is ambiguous, and gives nothing for
questions without an answer. "Not assessable" is right where the scan does not allow an answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vol3d.evaluate.official import answer_type, relative_accuracy
from vol3d.evaluate.rows import Form
from vol3d.vqa.dataset import NOT_ASSESSABLE, UNASSESSABLE, QaRecord
from vol3d.vqa.parse import split_options
from vol3d.vqa.values import means_the_same, plain

_ABSTENTIONS = (NOT_ASSESSABLE, UNASSESSABLE, "cannot be assessed", "not evaluable")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_ERROR = re.compile(r"^\s*\[ERROR\]")
_SAYS = r"(?:answer|option|choice|boxed)\b[\s\"'*:={(\[]*(?:is|would be)?[\s\"'*:={(\[]*"
_SAID_LETTER = re.compile(_SAYS + r"([A-D])(?![\w'\u2019])", re.IGNORECASE)
_WHOLE_LETTER = re.compile(r"^[\s\W_]*([A-Da-d])[\s\W_]*$")
_MORE_LETTERS = re.compile(r"\W{0,3}(?:[,/&;]|and|or)\W{0,3}[A-D](?![\w'\u2019])")
_LONE_LETTER = re.compile(r"(?<![A-Za-z0-9_'\u2019])([A-D])(?![A-Za-z0-9_'\u2019])")
_ARTICLE = re.compile(r"(?<![A-Za-z0-9_])[Aa](?=\s+(?!or\b|and\b|is\b|because\b|since\b)[a-z])")
_DENIED_LETTER = re.compile(r"\b(?:not|isn't|rather than)\s+\(?[A-D]\b", re.IGNORECASE)
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_UNIT = re.compile(r"\b(?:cm|mm)\s*(?:\^\s*)?[23]\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w]*\d)")
_SAID_NUMBER = re.compile(
    r"(?:answer|=|total|is|:)\s*(?:is|about|approximately|=|:)?\s*(?=[-+.\d])"
)
_SAID_WORD = re.compile(r"answer\s*(?:is|:)?\s*[\"'*]*(yes|no)\b", re.IGNORECASE)
_FIRST_WORD = re.compile(r"^[\s\W_]*(yes|no)\s*(?:$|[.,;:!?\u3002\uff0c*)-])", re.IGNORECASE)
_STAGE = re.compile(r"^(?:stage\s*)?[cp]?(t[1-4])[a-c]?$")
_LEAD = re.compile(r"^(?:the\s+)?(?:final\s+)?(?:answer|diagnosis|option)\s*(?:is|:)\s*", re.I)


def without_thought(text: str) -> str:
    """The text without ``<think>`` blocks of any spelling; empty for an error's text."""
    return "" if _ERROR.match(text) else _THOUGHT.sub("", text).strip()


def read_letter(text: str, options: Sequence[str]) -> str | None:
    """The letter that a text chooses, by letter or by the option's own words.

    A letter after "answer", "option" or "choice" counts first; else the only letter that stands by
    itself, unless the words say another option; else the words.

    Args:
        text: What was said.
        options: Texts of the options, in the order of their letters.

    Returns:
        ``None`` where no option, or more than one, is chosen.
    """
    said = unicodedata.normalize("NFKC", without_thought(text))
    allowed = "ABCD"[: len(options) or 4]
    whole = _WHOLE_LETTER.match(said)
    if whole:
        return _allowed(whole.group(1), allowed)
    plain_letters = _ARTICLE.sub("", _DENIED_LETTER.sub("", said))
    told = list(_SAID_LETTER.finditer(plain_letters))
    if told:
        is_list = _MORE_LETTERS.match(plain_letters, told[-1].end())
        is_one = len({each.group(1).upper() for each in told}) == 1 and not is_list
        return _allowed(told[0].group(1), allowed) if is_one else None
    letters = set(_LONE_LETTER.findall(plain_letters))
    index = _chosen_option(said, options)
    worded = None if index is None else allowed[index]
    if not letters:
        return worded
    letter = _allowed(letters.pop(), allowed) if len(letters) == 1 else None
    return letter if worded in (None, letter) else None


def _allowed(letter: str, allowed: str) -> str | None:
    return letter.upper() if letter.upper() in allowed else None


def _chosen_option(said: str, options: Sequence[str]) -> int | None:
    """Index of the one option whose words the text says."""
    same = [i for i, option in enumerate(options) if _is_same_answer(said, option)]
    if len(same) == 1:
        return same[0]
    held = [i for i, option in enumerate(options) if _holds(said, option)]
    longest = [i for i in held if not any(j != i and _holds(options[j], options[i]) for j in held)]
    return longest[0] if len(longest) == 1 else None


def _holds(text: str, option: str) -> bool:
    """Whether a text holds an option's words as whole words; bare numbers never count."""
    words = plain(option)
    if not words or words in ("yes", "no") or words[0].isdigit() or words[0] in "+-.":
        return False
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", plain(text)) is not None


def read_number(text: str) -> float | None:
    """The one number that a text states, or ``None`` for none or several different ones.

    Thousands separators, a Unicode minus, exponents, a leading dot and units with digits are read;
    where several numbers stand, the one after the last "answer", "is", "=" or colon counts.

    Args:
        text: What was said.
    """
    said = without_thought(text).translate(_MINUS)
    said = _UNIT.sub(" ", _THOUSANDS.sub("", said))
    found = [float(each) for each in _NUMBER.findall(said)]
    if len(set(found)) == 1:
        return found[0]
    marks = list(_SAID_NUMBER.finditer(said.lower()))
    if len(found) > 1 and marks:
        rest = {float(each) for each in _NUMBER.findall(said[marks[-1].end() :])}
        return rest.pop() if len(rest) == 1 else None
    return None


def read_binary(text: str) -> str | None:
    """``yes`` or ``no`` if a text says one of them and not the other."""
    said = without_thought(text)
    told = _SAID_WORD.findall(said)
    if told:
        return str(told[-1]).lower()
    match = _FIRST_WORD.match(said)
    if match:
        return str(match.group(1)).lower()
    words = {word.lower() for word in re.findall(r"\b(yes|no)\b", said, re.IGNORECASE)}
    if len(words) == 1:
        return str(words.pop())
    for word in ("yes", "no"):
        if not words and means_the_same(said, word):
            return word
    return None


def _is_same_answer(said: str, truth: str) -> bool:
    """Whether two short answers mean the same, by synonyms, numbers, sub-stages or lists."""
    first, second = _core(said), _core(truth)
    if not first or not second:
        return False
    if means_the_same(first, second):
        return True
    stages = [_STAGE.match(text) for text in (first, second)]
    if stages[0] and stages[1]:
        return stages[0].group(1) == stages[1].group(1)
    numbers = [read_number(text.rstrip("%")) for text in (first, second)]
    if numbers[1] is not None and re.fullmatch(r"[-+.\d]+%?", second):
        return numbers[0] == numbers[1]
    parts = [re.split(r"\s*(?:[/,;]|\band\b)\s*", text) for text in (first, second)]
    return len(parts[1]) > 1 and sorted(filter(None, parts[0])) == sorted(parts[1])


def _core(text: str) -> str:
    """A short answer without a lead such as "the answer is" and without a leading article."""
    return re.sub(r"^(?:the|an|a)\s+", "", plain(_LEAD.sub("", text.strip("*\"' \n"))))


def is_not_assessable(text: str) -> bool:
    """Whether a text says that the question cannot be answered on this scan."""
    return plain(without_thought(text)) in _ABSTENTIONS


def strict_score(said: str | None, record: QaRecord, form: Form) -> float:
    """What one answer is worth, 0 to 1.

    Args:
        said: The answer; ``None`` where there is none.
        record: The question.
        form: Multiple choice or free form.
    """
    if said is None:
        return 0.0
    if not record.is_assessable:
        return float(is_not_assessable(said))
    if is_not_assessable(said):
        return 0.0
    if form == "mc":
        options = split_options(record.mc_question)[1]
        return float(read_letter(said, options) == record.correct_option)
    kind = answer_type(record.question_subtype)
    if kind == "numeric":
        number, truth = read_number(said), read_number(record.answer)
        return 0.0 if number is None or truth is None else relative_accuracy(number, truth)
    if kind == "binary":
        return float(read_binary(said) == read_binary(record.answer) is not None)
    return float(_is_same_answer(without_thought(said), record.answer))


def chance_score(record: QaRecord, form: Form) -> float:
    """What guessing is worth: one of the number of options in multiple choice, 0 in free form."""
    if form == "freeform" or not record.is_assessable:
        return 0.0
    return 1.0 / max(len(split_options(record.mc_question)[1]), 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class StrictScores:
    """Strict means over all questions, 0 to 1.

    Args:
        overall: Mean over questions.
        macro: Mean over subtypes.
        num_questions: All of them.
        num_answered: Those with an answer.
        by_super_type: Mean over the questions of a group.
        by_subtype: Mean over the questions of a subtype.
    """

    overall: float
    macro: float
    num_questions: int
    num_answered: int
    by_super_type: Mapping[str, float]
    by_subtype: Mapping[str, float]


def strict_scores(
    records: Iterable[QaRecord], answers: Mapping[str, str], form: Form
) -> StrictScores:
    """The strict scores of a set of answers.

    Args:
        records: All questions.
        answers: What was said, by question id.
        form: Multiple choice or free form.
    """
    records = list(records)
    groups: dict[str, list[float]] = {}
    subtypes: dict[str, list[float]] = {}
    for record in records:
        score = strict_score(answers.get(record.qid), record, form)
        groups.setdefault(record.question_type, []).append(score)
        subtypes.setdefault(record.question_subtype, []).append(score)
    by_subtype = {name: _mean(own) for name, own in subtypes.items()}
    return StrictScores(
        overall=_mean([score for own in groups.values() for score in own]),
        macro=_mean(list(by_subtype.values())),
        num_questions=len(records),
        num_answered=sum(bool(answers.get(record.qid)) for record in records),
        by_super_type={name: _mean(own) for name, own in groups.items()},
        by_subtype=by_subtype,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
