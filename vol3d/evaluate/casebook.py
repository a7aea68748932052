"""Cases of a benchmark by image id, for tools that are asked about one after the other."""

from __future__ import annotations

from collections import OrderedDict

from vol3d.errors import DataError, explain
from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.cases import Case
from vol3d.evaluate.evidence import Facts, PatientHints
from vol3d.evaluate.prompt import age_of_record, phase_of_record, sex_of_record
from vol3d.measure.facts import CaseFacts
from vol3d.volume import Volume
from vol3d.vqa.dataset import QaRecord


def hints_of(record: QaRecord) -> PatientHints:
    """What a question's record tells of the scan."""
    return PatientHints(
        phase=phase_of_record(record), sex=sex_of_record(record), age_years=age_of_record(record)
    )


class CaseBook:
    """The last cases that were opened; older ones are closed."""

    def __init__(self, benchmark: Benchmark, evidence: Facts | None, *, keep: int = 2) -> None:
        """Opens nothing yet.

        Args:
            benchmark: The questions with the places of their scans.
            evidence: Where facts come from.
            keep: How many cases stay in memory.
        """
        self.benchmark, self.evidence, self.keep = benchmark, evidence, keep
        self._first = {r.image_id: r for r in reversed(benchmark.questions)}
        self._open: OrderedDict[str, Case] = OrderedDict()

    def facts(self, image_id: str) -> CaseFacts:
        """The facts of a case.

        Args:
            image_id: Of one of the questions.

        Raises:
            DataError: There is no such case, or it cannot be measured.
        """
        facts = self.case(image_id).facts
        if facts is None:
            raise _unknown(image_id, "a case with masks")
        return facts

    def scan(self, image_id: str) -> Volume:
        """The scan of a case; raises as :meth:`facts`."""
        return self.case(image_id).scan

    def case(self, image_id: str) -> Case:
        """A case, opened now or before.

        Args:
            image_id: Of one of the questions.

        Raises:
            DataError: There is no such question.
        """
        if image_id not in self._open:
            record = self._first.get(image_id)
            if record is None:
                raise _unknown(image_id, "an image id of the questions")
            place = self.benchmark.place(image_id)
            self._open[image_id] = Case(place=place, evidence=self.evidence, hints=hints_of(record))
            while len(self._open) > self.keep:
                self._open.popitem(last=False)
        self._open.move_to_end(image_id)
        return self._open[image_id]


def _unknown(image_id: str, expected: str) -> DataError:
    return DataError(
        explain(
            expected=expected,
            got=repr(image_id[:60]),
            where="image_id",
            remedy="Fetch its scan, or leave its questions out.",
        )
    )
