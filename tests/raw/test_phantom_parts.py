"""The parts that the phantom is made of: random fields and shapes."""

import numpy as np
import pytest

from gbaseg.raw.phantom.anatomy import cavity_depth, head_depth
from gbaseg.raw.phantom.fields import smooth_field
from gbaseg.raw.phantom.space import Space, box_around, rotation, slabs


def straight_space(shape: tuple[int, int, int], spacing: float) -> Space:
    axes = [((np.arange(n) - (n - 1) / 2) * spacing).astype(np.float32) for n in shape]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return Space(x, y, z, (spacing,) * 3, np.eye(3), 0.0, shape)


def test_a_field_has_mean_0_and_sd_1_and_changes_over_its_length() -> None:
    rng = np.random.default_rng(0)
    field = smooth_field(rng, (60, 60, 60), (1.0, 1.0, 1.0), 4.0)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 0.1
    assert field.std() == pytest.approx(1, abs=0.1)
    near = np.corrcoef(field[:, :, :-1].ravel(), field[:, :, 1:].ravel())[0, 1]
    far = np.corrcoef(field[:, :, :-20].ravel(), field[:, :, 20:].ravel())[0, 1]
    assert near > 0.9
    assert abs(far) < 0.15


def test_a_field_knows_millimetres() -> None:
    coarse = smooth_field(np.random.default_rng(1), (20, 20, 20), (2.0, 2.0, 2.0), 8.0)
    fine = smooth_field(np.random.default_rng(1), (39, 39, 39), (1.0, 1.0, 1.0), 8.0)
    assert np.allclose(coarse, fine[::2, ::2, ::2], atol=1e-5)


def test_shapes_have_their_volume() -> None:
    space = straight_space((60, 60, 60), 0.5)
    volume = {
        "ellipsoid": (space.ellipsoid((0, 0, 0), (4, 6, 8)) > 0).sum() / 8,
        "capsule": (space.capsule((-5, 0, 0), (5, 0, 0), 3) > 0).sum() / 8,
        "torus": (space.torus((0, 0, 0), (0, 0, 1), 8, 2) > 0).sum() / 8,
    }
    assert volume["ellipsoid"] == pytest.approx(4 / 3 * np.pi * 4 * 6 * 8, rel=0.02)
    assert volume["capsule"] == pytest.approx(np.pi * 9 * 10 + 4 / 3 * np.pi * 27, rel=0.03)
    assert volume["torus"] == pytest.approx(2 * np.pi**2 * 8 * 4, rel=0.03)


def test_a_box_holds_all_of_a_shape_in_a_tilted_space() -> None:
    turn = rotation(np.array([10.0, -8.0, 15.0]))
    plain = straight_space((40, 40, 40), 1.0)
    x, y, z = np.einsum("ij,j...->i...", turn, np.stack([plain.x, plain.y, plain.z])).astype(np.float32)
    space = Space(x, y, z, (1.0,) * 3, turn, 0.0, (40, 40, 40))
    inside = space.ellipsoid((5, -6, 3), (4, 7, 5)) > 0
    box = space.box((5, -6, 3), (4, 7, 5))
    assert inside[box].sum() == inside.sum() > 0
    assert inside[box].size < inside.size / 4


def test_a_part_of_the_grid_has_its_own_part_of_a_box() -> None:
    space = straight_space((40, 40, 40), 1.0)
    whole = space.box((5, -6, 3), (4, 7, 5))
    assert [space.part(part).box((5, -6, 3), (4, 7, 5))[0] for part in slabs((40, 40, 40))] == [
        slice(min(max(whole[0].start - z, 0), 8), min(max(whole[0].stop - z, 0), 8)) for z in range(0, 40, 8)
    ]
    again = space.part((slice(3, 40), slice(2, 40), slice(1, 40))).part((slice(7, 37), slice(0, 38), slice(4, 39)))
    assert np.array_equal(again.x[again.box((5, -6, 3), (4, 7, 5))], space.x[whole])


def test_a_head_in_slabs_is_the_whole_head() -> None:
    space = straight_space((40, 50, 45), 4.0)
    depth = head_depth(space)
    parts = [(head_depth(space.part(slab)), cavity_depth(space.part(slab), depth[slab])) for slab in slabs(depth.shape)]
    assert np.array_equal(np.concatenate([part[0] for part in parts]), depth)
    assert np.array_equal(np.concatenate([part[1] for part in parts]), cavity_depth(space, depth))


def test_the_box_around_a_mask_is_its_smallest() -> None:
    mask = np.zeros((5, 6, 7), bool)
    assert mask[box_around(mask)].size == 0
    mask[1, 2, 3] = mask[3, 2, 5] = True
    assert box_around(mask) == (slice(1, 4), slice(2, 3), slice(3, 6))


def test_a_ball_pushes_aside_what_surrounds_it_and_keeps_its_volume() -> None:
    space = straight_space((60, 60, 60), 1.0)
    pushed = space.pushed_from((3, 0, 0), 5)
    before = (space.ellipsoid((3, 0, 0), (10, 10, 10)) > 0).sum()
    after = (pushed.ellipsoid((3, 0, 0), (10, 10, 10)) > 0).sum()
    # The ball of radius 10 has grown to make room for one of radius 5.
    assert after - before == pytest.approx(4 / 3 * np.pi * 125, rel=0.15)
    assert pushed.x[0, 0, 0] == space.x[0, 0, 0]
