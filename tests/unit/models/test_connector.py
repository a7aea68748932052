"""Spatial pooling: exact when patches are missing, ordinary pooling when none are."""

from __future__ import annotations

import pytest
import torch

from vol3d.errors import BudgetError
from vol3d.models import SpatialPoolingConnector, Vol3dConnectorConfig
from vol3d.models.connector import choose_pool_size, group_patches, pool_mean


def _index(*shape: int) -> torch.Tensor:
    return torch.cartesian_prod(*[torch.arange(n) for n in shape])


def test_dense_volume_gives_ordinary_average_pooling() -> None:
    torch.manual_seed(0)
    index = _index(4, 6, 8)
    values = torch.randn(len(index), 5)
    cells = group_patches(torch.zeros(len(index), dtype=torch.int64), index, torch.tensor([2]))
    grid = values.T.reshape(1, 5, 4, 6, 8)
    expected = torch.nn.functional.avg_pool3d(grid, 2)[0].flatten(1).T
    torch.testing.assert_close(pool_mean(values, cells), expected)


def test_mean_divides_by_the_number_kept() -> None:
    index = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 2]])
    cells = group_patches(torch.zeros(3, dtype=torch.int64), index, torch.tensor([2]))
    pooled = pool_mean(torch.tensor([[2.0], [4.0], [9.0]]), cells)
    assert pooled.flatten().tolist() == [3.0, 9.0]


def test_empty_cells_are_omitted_and_order_is_zyx() -> None:
    index = torch.tensor([[2, 0, 0], [0, 2, 0], [0, 0, 4]])
    cells = group_patches(torch.zeros(3, dtype=torch.int64), index, torch.tensor([2]))
    assert cells.of_patch.tolist() == [2, 1, 0]


def test_volumes_of_a_pack_never_share_a_cell() -> None:
    index = torch.zeros(2, 3, dtype=torch.int64)
    cells = group_patches(torch.tensor([0, 1]), index, torch.tensor([2, 2]))
    assert cells.volume.tolist() == [0, 1]


def test_volumes_of_a_pack_may_have_their_own_cell_edge() -> None:
    index = _index(1, 1, 6).repeat(2, 1)
    volume = torch.arange(2).repeat_interleave(6)
    cells = group_patches(volume, index, torch.tensor([2, 3]))
    assert cells.count.tolist() == [2, 2, 2, 3, 3]
    assert cells.capacity.tolist() == [8, 8, 8, 27, 27]


def test_smallest_edge_within_budget_is_chosen() -> None:
    assert choose_pool_size(_index(4, 4, 4), pool_sizes=(1, 2, 4), max_tokens=8) == (2, 8)


def test_volume_beyond_every_budget_is_refused() -> None:
    with pytest.raises(BudgetError, match="at most 7 visual tokens"):
        choose_pool_size(_index(4, 4, 4), pool_sizes=(1, 2), max_tokens=7)


def _connector(pooling: str) -> SpatialPoolingConnector:
    torch.manual_seed(0)
    config = Vol3dConnectorConfig(pooling=pooling, pool_sizes=[2], hidden_size=16)
    return SpatialPoolingConnector(config, vision_width=6, text_width=8).eval()


def test_concat_puts_the_learned_token_where_a_child_is_missing() -> None:
    connector = _connector("concat")
    assert connector.missing is not None
    torch.nn.init.normal_(connector.missing)
    torch.nn.init.zeros_(connector.feed_forward[0].weight[:, -1])  # leave occupancy out
    index, volume = _index(2, 2, 2), torch.zeros(8, dtype=torch.int64)
    states, position = torch.randn(8, 6), torch.zeros(8, 3)
    states[5] = connector.missing.detach()
    full = connector(states, group_patches(volume, index, torch.tensor([2])), position, position)
    rest = torch.arange(8) != 5
    cells = group_patches(volume[rest], index[rest], torch.tensor([2]))
    partial = connector(states[rest], cells, position[rest], position[rest])
    torch.testing.assert_close(full, partial)


def test_occupancy_reaches_the_output() -> None:
    connector = _connector("mean")
    index = _index(2, 2, 2)
    volume = torch.zeros(8, dtype=torch.int64)
    same, position = torch.ones(8, 6), torch.zeros(8, 3)
    full = connector(same, group_patches(volume, index, torch.tensor([2])), position, position)
    half = connector(
        same[:4],
        group_patches(volume[:4], index[:4], torch.tensor([2])),
        position[:4],
        position[:4],
    )
    assert (full - half).abs().max() > 1e-6
