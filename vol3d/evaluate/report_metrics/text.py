"""Overlap of words: BLEU, ROUGE, METEOR and CIDEr, each by a package that others use too.

They tell how alike two texts are, not whether a finding is right: turning "no lesion" into "a
lesion" hardly moves them. The packages come with ``pip install vol3d[evaluate]`` and need neither
Java nor a download; what of METEOR would need one (WordNet's synonyms) is left out, and the score
says so in its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from vol3d.errors import ConfigError, DataError, explain

_TOKENS = re.compile(r"[\u4e00-\u9fff]|\d+(?:[.,]\d+)*|[^\W\d_]+", re.UNICODE)
_EXTRA = "evaluate"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextScores:
    """Overlap of predictions with references, each 0 to 1 except CIDEr.

    Args:
        bleu: BLEU-1 to BLEU-4 of the corpus, without smoothing.
        rouge: F1 of ROUGE-1, ROUGE-2 and ROUGE-L, mean over texts.
        meteor_without_synonyms: METEOR with exact and stem matches only, mean over texts.
        cider: CIDEr-D of the corpus, 0 to 10; 0 for a single text, whose words have no weight.
        num_texts: Pairs of texts.
    """

    bleu: Mapping[int, float]
    rouge: Mapping[str, float]
    meteor_without_synonyms: float
    cider: float
    num_texts: int

    def to_json(self) -> dict[str, Any]:
        """All scores as plain values for JSON."""
        return {
            **{f"bleu_{order}": value for order, value in self.bleu.items()},
            **self.rouge,
            "meteor_without_synonyms": self.meteor_without_synonyms,
            "cider": self.cider,
            "num_texts": self.num_texts,
        }


def score_texts(references: Sequence[str], predictions: Sequence[str]) -> TextScores:
    """The overlap of predictions with references, pair by pair.

    Args:
        references: One text per case.
        predictions: In the same order.

    Raises:
        DataError: No texts, or another number of predictions than of references.
        ConfigError: A package of the extra is not installed.
    """
    if not references or len(references) != len(predictions):
        raise DataError(
            explain(
                expected="one prediction for each of at least one reference",
                got=f"{len(references)} references and {len(predictions)} predictions",
                where="text metrics",
                remedy="Pair the texts by case.",
            )
        )
    ours, theirs = [tokens(each) for each in references], [tokens(each) for each in predictions]
    return TextScores(
        bleu={order: bleu(ours, theirs, order=order) for order in (1, 2, 3, 4)},
        rouge=rouge(ours, theirs),
        meteor_without_synonyms=meteor_without_synonyms(ours, theirs),
        cider=cider(ours, theirs),
        num_texts=len(references),
    )


def tokens(text: str) -> list[str]:
    """Words in lower case, numbers with their decimals, and single Chinese characters.

    Punctuation is left out.
    """
    return _TOKENS.findall(text.lower())


def bleu(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]], *, order: int
) -> float:
    """BLEU of the corpus with n-grams up to an order, 0 to 1, by sacrebleu without smoothing.

    Args:
        references: Tokens of each text.
        predictions: Tokens of each text.
        order: Longest n-gram, 1 to 4.

    Raises:
        ConfigError: sacrebleu is not installed.

    Source: Papineni et al., BLEU: a method for automatic evaluation of machine translation, ACL
        2002; Post, A call for clarity in reporting BLEU scores, WMT 2018.
    """
    sacrebleu = _package("sacrebleu", "sacrebleu")
    scorer = sacrebleu.BLEU(
        max_ngram_order=order, tokenize="none", smooth_method="none", effective_order=False
    )
    found = scorer.corpus_score(_joined(predictions), [_joined(references)])
    return min(float(found.score) / 100.0, 1.0)  # a perfect score comes as 100.00000000000004


def rouge(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> dict[str, float]:
    """F1 of ``rouge_1``, ``rouge_2`` and ``rouge_l``, means over texts, by rouge-score.

    Args:
        references: Tokens of each text.
        predictions: Tokens of each text.

    Raises:
        ConfigError: rouge-score is not installed.

    Source: Lin, ROUGE: a package for automatic evaluation of summaries, ACL workshop 2004.
    """
    package = _package("rouge_score.rouge_scorer", "rouge-score")
    names = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}
    scorer = package.RougeScorer(list(names), tokenizer=_Split())
    sums = dict.fromkeys(names.values(), 0.0)
    for ours, theirs in zip(_joined(references), _joined(predictions), strict=True):
        for name, score in scorer.score(ours, theirs).items():
            sums[names[name]] += float(score.fmeasure)
    return {name: value / len(references) for name, value in sums.items()}


def meteor_without_synonyms(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> float:
    """METEOR of exact and stem matches, 0 to 1, mean over texts, by nltk.

    The third stage of METEOR, WordNet's synonyms, needs a download and is left out, and nltk pairs
    a repeated word with its last occurrence instead of looking for the fewest chunks: values are
    not comparable with published METEOR scores.

    Args:
        references: Tokens of each text.
        predictions: Tokens of each text.

    Raises:
        ConfigError: nltk is not installed.

    Source: Lavie and Agarwal, METEOR: an automatic metric for MT evaluation with high levels of
        correlation with human judgments, WMT 2007.
    """
    package = _package("nltk.translate.meteor_score", "nltk")
    stemmer = _package("nltk.stem.porter", "nltk").PorterStemmer()
    total = 0.0
    for ours, theirs in zip(references, predictions, strict=True):
        total += float(
            package.single_meteor_score(ours, theirs, stemmer=stemmer, wordnet=_NoSynonyms())
        )
    return total / len(references)


def cider(references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> float:
    """CIDEr-D of the corpus, 0 to 10, by pycocoevalcap; weights come from these references.

    Args:
        references: Tokens of each text; with one text alone every weight is log(1 / 1) = 0.
        predictions: Tokens of each text.

    Raises:
        ConfigError: pycocoevalcap is not installed.

    Source: Vedantam, Zitnick and Parikh, CIDEr: consensus-based image description evaluation,
        CVPR 2015.
    """
    package = _package("pycocoevalcap.cider.cider", "pycocoevalcap")
    if not any(references):
        return 0.0
    ours = {index: [text] for index, text in enumerate(_joined(references))}
    theirs = {index: [text] for index, text in enumerate(_joined(predictions))}
    score, _ = package.Cider().compute_score(ours, theirs)
    return float(score)


class _Split:
    """Hands rouge-score our tokens; its own tokenizer drops Chinese."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class _NoSynonyms:
    """Stands where nltk expects WordNet: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []


def _joined(texts: Sequence[Sequence[str]]) -> list[str]:
    return [" ".join(text) for text in texts]


def _package(module: str, name: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            explain(
                expected=f"the package {name}",
                got=f"no module {error.name}",
                where="text metrics",
                remedy=f'Run "pip install vol3d[{_EXTRA}]".',
            )
        ) from error
