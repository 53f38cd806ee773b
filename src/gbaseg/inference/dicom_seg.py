"""A mask as a DICOM segmentation of its series, for viewers and archives; by highdicom, which is optional.

What DICOM asks of it is taken over from the series: patient, study and frame of reference. It is data about a patient.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gbaseg import __version__
from gbaseg.errors import UserError
from gbaseg.inference.segment import Segmentation
from gbaseg.runtime.whole import written_whole
from gbaseg.volume.dicom import is_series, slice_files

if TYPE_CHECKING:
    from pydicom import Dataset

# Without them no segmentation can say what it is of.
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
# These may be empty, and are not always there.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
_SEXES = (None, "", "M", "F", "O")
# Whatever series the scanner has made, this one is not among the first.
_SERIES_NUMBER = 900


def check_installed() -> None:
    """Check that highdicom is there.

    Raises:
        UserError: it is not.
    """
    if find_spec("highdicom") is None:
        raise UserError(
            "--dicom-seg: highdicom is not installed; pip install -c constraints.txt -e '.[dicom]' in gbaseg's folder"
        )


def seg_faults(scans: Iterable[Path]) -> Iterator[str]:
    """Scans whose masks cannot be DICOM: files of other formats, series without what a segmentation refers to."""
    from pydicom import dcmread

    for path in scans:
        if not is_series(path):
            if path.exists():
                yield f"{path}: --dicom-seg; allowed: folders of DICOM series, whose segmentation it is"
            continue
        try:
            files = slice_files(path)
        except UserError:
            continue  # said where scans are checked
        header = dcmread(files[0], stop_before_pixels=True)
        if len(files) == 1:
            yield f"{path}: --dicom-seg of several frames in one file; allowed: a file a slice"
        elif "PerFrameFunctionalGroupsSequence" in header:
            yield f"{path}: --dicom-seg of enhanced files; allowed: a file a slice that says itself where it lies"
        elif missing := [name for name in _NEEDED if not header.get(name)]:
            yield f"{path}: --dicom-seg without {', '.join(missing)} in the series; allowed: a series that has them"
        elif odd := _odd(header):
            yield f"{path}: --dicom-seg takes over {', '.join(odd)}; allowed: what DICOM has for them, or nothing"


def _odd(header: Dataset) -> list[str]:
    """What of a patient and study cannot be taken over; not the values, which are nobody's business."""
    from pydicom.valuerep import DA, TM

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, with the values
        for name, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
            try:
                kind(header.get(name) or None)
            except ValueError:
                found.append(f"a {name} that is none")
        if header.get("PatientSex") not in _SEXES:
            found.append("a PatientSex that is none")
    return found


def write_seg(found: Segmentation, series: Path, path: Path, round_id: str) -> None:
    """Write a mask as a DICOM segmentation (binary, a segment a structure), whole or not at all.

    Segments are called as the structures are. Their codes are general ones: a neoplasm for the first structure, the
    tumour, an anatomical structure for the others. Equal masks of equal series have equal UIDs.

    Args:
        found: of the series.
        series: its folder.
        path: of the file, `.dcm`.
        round_id: whose model it was.
    """
    from pydicom import dcmread

    sources = [dcmread(file, stop_before_pixels=True) for file in slice_files(series)]
    for source in sources:
        for name in _MAY_BE_EMPTY:
            if name not in source:
                setattr(source, name, None)
        # As the slices lie: what headers say of their distance is not always that, and is taken over otherwise.
        source.SpacingBetweenSlices = f"{found.mask.grid.spacing_zyx_mm[0]:.8g}"
        source.SliceThickness = source.get("SliceThickness") or source.SpacingBetweenSlices
    values = list(found.values.values())
    numbers = np.zeros(max(values) + 1, np.uint8)
    numbers[values] = np.arange(1, len(values) + 1)
    shown = _span(found.mask.array)
    dataset = _dataset(sources[shown], numbers[found.mask.array[shown]], list(found.values), round_id)
    with written_whole(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)


def _span(mask: np.ndarray) -> slice:
    """Slices of a mask (Z, Y, X) from the first to the last with something in it, and one before and after.

    Readers that take the frames for a stack (ITK's GDCM) find no distance between slices where one is left out.
    """
    where = np.flatnonzero(mask.any(axis=(1, 2)))
    return slice(max(0, int(where[0]) - 1), int(where[-1]) + 2) if where.size else slice(None)


def _dataset(sources: Sequence[Dataset], labels: np.ndarray, structures: Sequence[str], round_id: str) -> Any:
    """highdicom's segmentation of labels 1, 2, ... (slice, row, column)."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    algorithm = hd.AlgorithmIdentificationSequence(
        name="gbaseg", version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:64],
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure
            if number == 1
            else codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Neoplasm if number == 1 else codes.SCT.AnatomicalStructure,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(structures, start=1)
    ]
    mark = [sources[0].SeriesInstanceUID, round_id, hashlib.sha256(labels.tobytes()).hexdigest()]
    segmentation = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        series_instance_uid=generate_uid(entropy_srcs=[*mark, "series"]),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=generate_uid(entropy_srcs=[*mark, "instance"]),
        instance_number=1,
        manufacturer="gbaseg",
        manufacturer_model_name=round_id[:64],
        software_versions=__version__,
        device_serial_number="0",
        series_description=f"gbaseg {round_id}"[:64],
        content_label="SEGMENTATION",
        omit_empty_frames=False,
    )
    segmentation.ContentCreatorName = ""  # nobody; DICOM wants it to be there (type 2)
    return segmentation
