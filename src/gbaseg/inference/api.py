"""`gbaseg.predict`: one call from a scan to its mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gbaseg.inference.model import Model
from gbaseg.inference.scans import Triple, accepted, standardised
from gbaseg.inference.segment import Segmentation, segment
from gbaseg.volume import Volume

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK as sitk


def predict(
    scan: str | Path | Volume | sitk.Image | np.ndarray,
    model: str | Path | Model,
    *,
    spacing_zyx_mm: Triple | None = None,
    probabilities: bool = False,
    uncertainty: bool = False,
) -> Segmentation:
    """Segment one scan of the target modality, on its own grid, as `gbaseg predict` does.

    For many scans load the model once: `model = gbaseg.Model.load("model.zip")`, then `gbaseg.predict(scan, model)`.

    Args:
        scan: a file (NIfTI, MetaImage, NRRD), the folder of one DICOM series, an image of SimpleITK's, or an array
            (Z, Y, X), Z towards the head, Y towards the back, X towards the patient's left.
        model: a model that is loaded, or what `Model.load` takes.
        spacing_zyx_mm: voxel size of an array, mm; of nothing else.
        probabilities: carry every structure's probability to the scan's grid, too.
        uncertainty: and how far the folds are apart.

    Returns:
        The mask and what is known of it. It is empty (and says so in `found`) where nothing was found.

    Raises:
        UserError: the model or the scan cannot be used; all flaws of the scan in one message.
    """
    loaded = model if isinstance(model, Model) else Model.load(model)
    if uncertainty:
        loaded.need_several()
    given = standardised(accepted(scan, loaded.settings, spacing_zyx_mm), loaded.settings, loaded.fine)
    name = str(scan) if isinstance(scan, str | Path) else "scan"
    return segment(given, loaded, name, probabilities=probabilities, uncertainty=uncertainty)
