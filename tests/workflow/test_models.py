"""Trained translations, as later stages load them."""

import json

import numpy as np
import pytest

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.volume import Grid, Volume
from gbaseg.workflow.models import MODE, Translator


@pytest.mark.parametrize("mode", UNTRANSLATED)
def test_without_a_translation_images_stay(tmp_path, mode):
    (tmp_path / MODE).write_text(json.dumps({"mode": mode}))
    scan = Volume(np.random.default_rng(0).random((2, 3, 4), dtype=np.float32), Grid((2, 3, 4), (1.0, 1.0, 1.0)))
    translator = Translator(params.check({}), tmp_path)
    assert all(np.array_equal(image, scan.array) for image in (*translator(scan), translator.back(scan.array)))


def test_a_mode_of_another_gbaseg_is_not_taken_for_none(tmp_path):
    (tmp_path / MODE).write_text(json.dumps({"mode": "diffusion"}))
    with pytest.raises(UserError, match=r"mode.json: mode 'diffusion' .*known: cyclegan, histogram, randomise, none"):
        Translator(params.check({}), tmp_path)
