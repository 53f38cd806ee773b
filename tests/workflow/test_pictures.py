"""Which case the pictures show."""

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.augmentation.settings import AugmentationSettings, Rule
from gbaseg.cases import Case, write_table
from gbaseg.params import Params
from gbaseg.volume import Grid, Volume
from gbaseg.workflow import layout
from gbaseg.workflow.panel import source_case
from gbaseg.workflow.pictures import copied_by

LARGE, SMALL = (Rule(name=name, lambdas=[0.7, 1.2], k_star=[1]) for name in ("large", "small"))


def case(name):
    return Case(name, name, "A", "source", "train", "ceT1", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """Three source cases with tumours of 1, 2 and 3 voxels; writes the table of the copies."""
    monkeypatch.chdir(tmp_path)
    cases = [case(name) for name in ("s1", "s2", "s3")]
    for size, one in enumerate(cases, start=1):
        label = np.zeros((2, 4, 4), np.uint8)
        label[1, 0, :size] = 1
        volume.write(Volume(label, Grid(label.shape, (1.0, 1.0, 1.0))), layout.STANDARD / one.label)
    write_table(cases, layout.STANDARD)
    write_table(cases, layout.TRANSLATED)
    write_table([], layout.adapted(Params().self_training.last))
    return lambda *names: write_table([case(name) for name in names], layout.AUGMENTED)


def settings(arm="gba"):
    return Params(augmentation=AugmentationSettings(arm=arm, rules=[LARGE, SMALL]))


def test_naive_against_gba_shows_the_largest_tumour_that_was_copied(copies):
    """With one SinGAN a case there is none for the largest of all where no rule selects it."""
    copies("s1_small_l0.7_k1", "s2_small_l0.7_k1", "s2_large_l1.2_k1")
    rules = copied_by(settings(), "VS")
    assert rules == {"s1": SMALL, "s2": LARGE}
    assert source_case(settings(), "VS")[0].case == "s3"
    shown, mask, _, z = source_case(settings(), "VS", rules)
    assert (shown.case, int(mask.sum()), z) == ("s2", 2, 1)


def test_nothing_is_shown_where_gba_copied_nothing(copies):
    copies()
    assert copied_by(settings(), "VS") == {}
    copies("s1_small_l0.7")
    assert copied_by(settings(arm="naive"), "VS") == {}
