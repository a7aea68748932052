import numpy as np
import pytest

from vol3d.errors import DataError
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.degraded import DegradedMasks
from vol3d.measure.case_masks import CaseMasks
from vol3d.volume import Grid, Volume, write_nifti

SHAPE = (40, 60, 60)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Volume, ScanPlace]:
    """A liver of 24 x 40 x 40 voxels with 27 lesions of one kind; 1 mm voxels."""
    folder = tmp_path_factory.mktemp("case")
    grid = Grid(affine=np.diag([1.0, 1.0, 1.0, 1.0]), shape_zyx=SHAPE)
    liver, lesions = np.zeros(SHAPE, np.int16), np.zeros(SHAPE, np.int16)
    liver[8:32, 10:50, 10:50] = 1
    for z in (12, 20, 28):
        for y in (16, 28, 40):
            for x in (16, 28, 40):
                lesions[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 1
    (folder / "segmentations").mkdir()
    for name, array in (("liver", liver), ("liver_lesion", lesions)):
        mask = Volume.from_array(array, grid, modality="unknown", unit="arbitrary")
        write_nifti(mask, folder / "segmentations" / f"{name}.nii.gz")
    volume = Volume.from_array(np.zeros(SHAPE, np.int16), grid, modality="CT", unit="HU")
    return volume, ScanPlace(image_id="A", scan=None, masks=folder / "segmentations")


def liver(masks: CaseMasks) -> np.ndarray:
    at = masks.structures["liver"]
    return np.asarray(masks.layers[at.layer] == at.label)


def num_lesion_voxels(masks: CaseMasks) -> int:
    (at,) = masks.lesions.values()
    return int((masks.layers[at.layer] == at.label).sum())


def test_nothing_is_changed_by_no_amount(case: tuple[Volume, ScanPlace]) -> None:
    masks = DegradedMasks(displacement_mm=0.0, missed_share=0.0).segment(*case)
    assert liver(masks).sum() == 24 * 40 * 40
    assert num_lesion_voxels(masks) == 27 * 27


def test_all_lesions_can_be_missed(case: tuple[Volume, ScanPlace]) -> None:
    masks = DegradedMasks(displacement_mm=0.0, missed_share=1.0).segment(*case)
    assert num_lesion_voxels(masks) == 0


def test_about_the_stated_share_is_missed(case: tuple[Volume, ScanPlace]) -> None:
    masks = DegradedMasks(displacement_mm=0.0, missed_share=0.5).segment(*case)
    assert 7 <= num_lesion_voxels(masks) // 27 <= 20  # 27 lesions, three standard deviations


def test_a_larger_displacement_moves_more_surface(case: tuple[Volume, ScanPlace]) -> None:
    truth = liver(DegradedMasks(displacement_mm=0.0, missed_share=0.0).segment(*case))
    wrong = [
        int((liver(DegradedMasks(displacement_mm=mm).segment(*case)) ^ truth).sum())
        for mm in (1.0, 4.0)
    ]
    assert 0 < wrong[0] < wrong[1] < truth.sum() // 2


def test_the_same_seed_gives_the_same_masks(case: tuple[Volume, ScanPlace]) -> None:
    first, second = (DegradedMasks(seed=3).segment(*case) for _ in range(2))
    assert (liver(first) == liver(second)).all()


def test_without_masks_the_case_is_named(case: tuple[Volume, ScanPlace]) -> None:
    with pytest.raises(DataError, match="case B"):
        DegradedMasks().segment(case[0], ScanPlace(image_id="B", scan=None, masks=None))
