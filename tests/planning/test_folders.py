"""Cases from folders: what is found, and every fault of names at once."""

import json

import pytest

from gbaseg.planning.folders import Folders, find


@pytest.fixture
def folders(tmp_path):
    def make(**names):
        for folder, files in names.items():
            (tmp_path / folder).mkdir(parents=True)
            for name in files:
                (tmp_path / folder / name).write_text("")
        return tmp_path

    return make


def test_cases_of_folders(folders):
    root = folders(
        s=["p1_ceT1.nii.gz", "p2_ceT1.nii.gz", "notes.txt", ".hidden.nii.gz"],
        l=["p1_Label.nii.gz", "p2_Label.nii.gz"],
        t=["q1_T2.mha", "q2_T2.mha"],
        h=["r1.nii"],
        hl=["r1.nii"],
    )
    found = find(Folders(root / "s", root / "l", root / "t", root / "h", root / "hl"), r"([pqr])\d", [])
    assert found.faults == []
    rows = [(c.case, c.centre, c.domain, c.split, c.modality, c.image, c.label) for c in found.cases]
    assert rows == [
        ("p1", "p", "source", "train", "ceT1", "source/p1_ceT1.nii.gz", "labels/p1_Label.nii.gz"),
        ("p2", "p", "source", "train", "ceT1", "source/p2_ceT1.nii.gz", "labels/p2_Label.nii.gz"),
        ("q1", "q", "target", "train", "T2", "target/q1_T2.mha", ""),
        ("q2", "q", "target", "train", "T2", "target/q2_T2.mha", ""),
        ("r1", "r", "target", "test", "T2", "held_out/r1.nii", "held_out_labels/r1.nii"),
    ]
    assert found.files["labels/p1_Label.nii.gz"] == root / "l" / "p1_Label.nii.gz"
    assert found.remarks[:2] == [
        f"--source {root / 's'}: no images, and left alone: notes.txt",
        "--labels: paired by what differs in their names, such as p1_ceT1.nii.gz with p1_Label.nii.gz",
    ]


def test_every_fault_is_told_at_once(folders):
    root = folders(s=["a1.nii", "a2.nii", "a3.nii"], l=["a1.nii", "a2.nii", "a4.nii"], t=["readme.txt"], dicom=[])
    found = find(Folders(root / "s", root / "l", root / "t", root / "none", None), r"a(1)", [])
    said = "\n".join(map(str, found.faults))
    for part in ("a3.nii: no label", "a4.nii: no scan", "--target", "readme.txt", "--held-out", "no such folder"):
        assert part in said
    # of the two that are left one has no centre in its name
    assert "a2.nii: nothing that --centres" in said


def test_patients_are_found_in_names(folders):
    """Who has two scans stays on one side of a fold; who is in two folders is refused with all else (`check_set`)."""
    root = folders(
        s=["p1_a.nii", "p1_b.nii", "p2_a.nii"], l=["p1_a.nii", "p1_b.nii", "p2_a.nii"], t=["q1.nii", "p2.nii"]
    )
    found = find(Folders(root / "s", root / "l", root / "t"), None, [], r"^([pq]\d)")
    assert found.faults == []
    assert [(case.case, case.patient) for case in found.cases] == [
        ("p1_a", "p1"), ("p1_b", "p1"), ("p2_a", "p2"), ("p2", "p2"), ("q1", "q1"),
    ]  # fmt: skip
    assert not [remark for remark in found.remarks if "patient" in remark]
    [fault] = find(Folders(root / "s", root / "l", root / "t"), None, [], r"^(p\d)").faults
    assert str(fault).endswith("q1.nii: nothing that --patients ^(p\\d) finds; allowed: a patient in every scan's name")


def test_without_labels_it_says_which_option(folders):
    root = folders(s=["a.nii"], t=["b.nii"])
    [fault] = find(Folders(root / "s", None, root / "t"), None, []).faults
    assert str(fault).startswith("--labels: not given")


def test_equal_names_in_source_and_target_are_kept_apart_and_said(folders):
    root = folders(s=["1.nii", "2.nii"], l=["1.nii", "2.nii"], t=["1.nii", "3.nii"])
    found = find(Folders(root / "s", root / "l", root / "t"), None, ["MR", "CT"])
    assert [case.case for case in found.cases] == ["source_1", "source_2", "target_1", "target_3"]
    assert {case.modality for case in found.cases} == {"MR", "CT"}
    assert "1 name(s) such as 1 are in more than one folder" in found.remarks[0]


@pytest.mark.parametrize("labels", [{"background": 0, "LV": 3, "RV": 1}, {"0": "background", "3": "LV", "1": "RV"}])
def test_nnunets_folders_as_they_are(folders, labels):
    root = folders(
        **{"D1/imagesTr": ["x_0000.nii.gz", "y_0000.nii.gz"], "D1/labelsTr": ["x.nii.gz", "y.nii.gz"]},
        **{"D2/imagesTr": ["u_0000.nii.gz", "v_0000.nii.gz"], "D2/labelsTr": ["u.nii.gz", "v.nii.gz"]},
        **{"D2/imagesTs": ["w_0000.nii.gz"], "D2/labelsTs": ["w_0000.nii.gz"]},
    )
    (root / "D1/dataset.json").write_text(json.dumps({"labels": labels, "channel_names": {"0": "bSSFP"}}))
    found = find(Folders(root / "D1", None, root / "D2", root / "D2", None), None, [])
    assert found.faults == [] and found.structures == {"LV": 3, "RV": 1}
    rows = [(case.case, case.modality, case.label) for case in found.cases]
    # a target's labels are no training's: those of imagesTr are left where they are
    assert rows == [
        ("x", "bSSFP", "labels/x.nii.gz"),
        ("y", "bSSFP", "labels/y.nii.gz"),
        ("u", "target", ""),
        ("v", "target", ""),
        ("w_0000", "target", "held_out_labels/w_0000.nii.gz"),
    ]


def test_several_channels_are_a_fault(folders):
    root = folders(s=["a_0000.nii", "a_0001.nii"], l=["a.nii"], t=["b.nii"])
    assert "channels 0000, 0001" in str(find(Folders(root / "s", root / "l", root / "t"), None, []).faults[0])


@pytest.mark.parametrize("first", [0, 1])
def test_scans_that_are_numbered_with_four_digits_are_no_channels(folders, first):
    names = [f"img_{number:04}.nii" for number in range(first, first + 3)]
    root = folders(s=names, l=names, t=[f"t_{number:04}.nii" for number in range(first, first + 12)])
    found = find(Folders(root / "s", root / "l", root / "t"), None, [])
    assert found.faults == [] and len(found.cases) == 15


def test_channels_of_some_scans_are_channels(folders):
    root = folders(s=["a.nii"], l=["a.nii"], t=["b_0000.nii", "b_0001.nii", "c_0000.nii"])
    [fault] = find(Folders(root / "s", root / "l", root / "t"), None, []).faults
    assert "nnU-Net channels 0000, 0001" in str(fault)


def test_one_scan_with_nnunets_channel_has_its_label(folders):
    root = folders(
        s=["a.nii"],
        l=["a.nii"],
        t=["b.nii"],
        **{"D/imagesTs": ["w_0000.nii"], "D/labelsTs": ["w.nii"], "D/labelsTr": []},
    )
    for labels in (None, root / "D"):
        found = find(Folders(root / "s", root / "l", root / "t", root / "D", labels), None, [])
        assert found.faults == [] and found.cases[-1].label == "held_out_labels/w.nii"


def test_names_that_no_case_can_have_are_changed_and_told_apart(folders):
    names = ["Möller.nii", "Müller.nii", "M-ller-2.nii", "a.img.nii", "b.fine.nii"]
    root = folders(s=names, l=names, t=["t.nii"])
    found = find(Folders(root / "s", root / "l", root / "t"), None, [])
    assert found.faults == []
    called = {case.image: case.case for case in found.cases}
    assert called == {
        "source/M-ller-2.nii": "M-ller-2",
        "source/Möller.nii": "M-ller",
        "source/Müller.nii": "M-ller-3",
        "source/a.img.nii": "a-img",
        "source/b.fine.nii": "b-fine",
        "target/t.nii": "t",
    }
    assert "Müller.nii: its case is M-ller-3, as another one is M-ller already" in found.remarks


def test_a_name_that_is_too_long_for_a_case_is_a_fault(folders):
    root = folders(s=["a.nii"], l=["a.nii"], t=[f"{'t' * 201}.nii"])
    [fault] = find(Folders(root / "s", root / "l", root / "t"), None, []).faults
    assert "at most 200 letters" in str(fault)


def test_voxels_that_a_header_names_come_along(folders):
    root = folders(s=["a.mhd", "vox_a.raw"], l=["a.nii"], t=["b.nhdr", "vox_b.raw"])
    (root / "s/a.mhd").write_text(
        "NDims = 3\nBinaryData = True\nDimSize = 2 2 2\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"
        "ElementDataFile = vox_a.raw\n"
    )
    (root / "t/b.nhdr").write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: raw\nspace origin: (0,0,0)\ndata file: vox_b.raw\n"
    )
    found = find(Folders(root / "s", root / "l", root / "t"), None, [])
    assert {"source/vox_a.raw", "target/vox_b.raw"} <= found.files.keys()


def test_voxels_that_nnunet_ignores_are_no_structure(folders):
    """Which values are structures is then asked for, where there are several."""
    root = folders(**{"D/imagesTr": ["a_0000.nii"], "D/labelsTr": ["a.nii"]}, t=["b.nii"])
    (root / "D/dataset.json").write_text(json.dumps({"labels": {"background": 0, "tumour": 1, "ignore": 2}}))
    found = find(Folders(root / "D", None, root / "t"), None, [])
    assert found.structures == {} and "labels in part (ignore: 2) are not learnt from" in found.remarks[0]


def test_voxels_beside_a_header_come_along(folders):
    root = folders(s=["a.mhd", "a.raw"], l=["a.mhd", "a.zraw"], t=["b.nii"])
    found = find(Folders(root / "s", root / "l", root / "t"), None, [])
    assert {"source/a.mhd", "source/a.raw", "labels/a.zraw"} <= found.files.keys()
    assert len(found.cases) == 2


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: one folder for scans and labels, or for two of source, target and held-out scans",
    "one fault a folder, before any scan is read",
)
def test_a_folder_that_is_named_for_two_things_is_one_fault(folders):
    root = folders(s=["a.nii", "b.nii"], t=["c.nii"])
    (root / "link").symlink_to(root / "t")
    found = find(Folders(root / "s", root / "s", root / "t", root / "link"), None, [])
    assert [str(fault).partition(";")[0] for fault in found.faults] == [
        f"--labels {root / 's'}: the folder of --source, too",
        f"--held-out {root / 'link'}: the folder of --target, too",
    ]


def test_names_in_two_folders_are_found_by_the_file_and_whatever_is_a_capital(folders):
    """Of one held-out scan alone it is not known what names end in."""
    root = folders(s=["a.nii"], l=["a.nii"], t=["p1_T2.nii", "p2_T2.nii", "A.nii"], h=["p2_T2.nii"])
    found = find(Folders(root / "s", root / "l", root / "t", root / "h"), None, [])
    assert found.remarks[0].startswith("2 name(s) such as A are in more than one folder")
    (root / "t/A.nii").unlink()
    found = find(Folders(root / "s", root / "l", root / "t", root / "h"), None, [])
    assert found.remarks[0].startswith("1 name(s) such as p2_T2 are in more than one folder")


def test_a_folder_beside_a_header_is_no_file_of_voxels(folders):
    root = folders(s=["a.nii"], l=["a.nii"], t=["b.mhd", "b.raw"], **{"t/b.files": []})
    found = find(Folders(root / "s", root / "l", root / "t"), None, [])
    assert "target/b.raw" in found.files and "target/b.files" not in found.files
    assert f"--target {root / 't'}: not looked into the folders in it: b.files" in found.remarks


def test_labels_of_one_value_are_not_taken_from_a_dataset_json(folders):
    root = folders(**{"D/imagesTr": ["a_0000.nii"], "D/labelsTr": ["a.nii"]}, t=["b.nii"])
    (root / "D/dataset.json").write_text(json.dumps({"labels": {"background": 0, "LV": 1, "RV": 1}}))
    found = find(Folders(root / "D", None, root / "t"), None, [])
    assert found.structures == {} and found.faults == []
    assert found.of_structures == [
        "dataset.json: labels that share a value (LV: 1, RV: 1) are not taken: --structures names them"
    ]


def test_images_of_nnunets_that_are_not_taken_are_said(folders):
    names = {"D/imagesTr": ["a_0000.nii"], "D/labelsTr": ["a.nii"], "D/imagesTs": ["b_0000.nii"]}
    root = folders(**names, **{"E/imagesTr": ["c_0000.nii"], "E/imagesTs": ["d_0000.nii"]})
    found = find(Folders(root / "D", None, root / "E", root / "E"), None, [])
    assert found.faults == [] and "--source: imagesTr is taken, imagesTs beside it is not" in found.remarks
    assert not any(remark.startswith("--target") for remark in found.remarks)
