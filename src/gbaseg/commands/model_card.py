"""README.md of an export: what the model is, what it was made from, what is known of it, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from gbaseg.commands.in_words import named, splits_of, with_interval
from gbaseg.commands.methods_text import REFERENCES
from gbaseg.commands.run_facts import RunFacts
from gbaseg.evaluation.rounds import proxies_of
from gbaseg.evaluation.text import number
from gbaseg.inference.contents import NAME, VERSION, Contents
from gbaseg.workflow.layout import LOCK

_LIMITS = """- Research software: not a medical device, and not tested for any clinical use.
- For scans of the target modality alone, of the body part that it was trained on. `gbaseg predict` says where a scan or
  a mask is unlike what the training had; that nothing is said is no sign that a mask is right.
- The scores below, where there are any, are of the scans that are named there, and of one training: another seed gives
  others."""
_USE = """With gbaseg installed:

```
gbaseg predict --model MODEL.zip SCAN.nii.gz -o masks
```

or `gbaseg.predict("SCAN.nii.gz", "MODEL.zip").mask` in Python. Scans are NIfTI, MetaImage, NRRD or a folder with a
DICOM series, as they come from the scanner: on their own grid, not skull-stripped unless the training's were. Nothing
in this file is executed when it is read: weights are safetensors, all else is JSON and text."""


def card(facts: RunFacts, about: Contents) -> str:
    """Markdown; every number of it stands in the run's files."""
    what = ", ".join(f"{name} = {value}" for name, value in facts.settings.dataset.label_values.items())
    target = named(facts, "target")
    folds = sum(name.startswith("fold_") for name in about.files)
    parts = [
        f"# Model of {about.round}: {', '.join(facts.settings.labels)} in {target}",
        f"{folds} network(s) of nnU-Net v2 that segment {what} in {target}, for which the training had no "
        f"labels; trained in {about.trained_in} of a run of gbaseg.",
        _of_phantom(facts),
        "## Use",
        _USE,
        "## Limits",
        _LIMITS,
        "## Data",
        "\n".join(_data(facts)),
        "## Scores on labelled scans of the target",
        "\n".join(_scores(facts)),
        "## Known without labels of the target",
        "\n".join(_proxies(facts)),
        "## What scans and masks are compared with",
        "\n".join(_expected(about)),
        "## Parameters",
        f"seed {facts.settings.seed}; the sections of params.yaml that the model follows from:",
        f"```json\n{_parameters(facts)}\n```",
        "## Licence and citation",
        "Code: Apache-2.0. Data, and with them these weights: to be filled in by whoever shares this file.",
        f"Please cite the paper whose method it is: {REFERENCES['salle']}. METHODS.md has a paragraph for yours.",
        f"{NAME} is of format {VERSION}; it has the SHA-256 of every file of the model.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_phantom(facts: RunFacts) -> str:
    if not facts.synthetic:
        return ""
    return "**Trained on the synthetic phantom that comes with gbaseg, not on patients: for trying things out alone.**"


def _data(facts: RunFacts) -> Iterator[str]:
    counts = {key: value for key, value in facts.data.items() if isinstance(value, int) or key.endswith("_cases")}
    if not counts:
        yield "metrics/data.json is not there: numbers of cases are not known."
    else:
        yield from _table(["count", "value"], [[_words(key), _count(value)] for key, value in counts.items()])
    yield ""
    if facts.hashes:
        yield from _table(
            ["hash (dvc.lock)", "MD5", "files"],
            [[what, f"`{md5}`", "1" if files is None else str(files)] for what, md5, files in facts.hashes],
        )
    else:
        yield f"{LOCK} is not there: the data's hashes are not known."


def _scores(facts: RunFacts) -> Iterator[str]:
    if not facts.labelled:
        yield "None: no round of this run was scored."
        return
    rows = []
    for round_id, of_round in facts.scores.items():
        for structure, score in of_round.items():
            metrics = score.metrics
            centres = ", ".join(f"{name} {number(one['dice'])}" for name, one in metrics.get("per_centre", {}).items())
            rows.append(
                [
                    f"**{round_id}**" if round_id == facts.round_id else round_id, structure, str(metrics["cases"]),
                    with_interval(metrics["dice"], score.dice, 3), number(metrics["dice"]["median"], 3),
                    with_interval(metrics["assd_mm"], score.assd_mm, 2),
                    str(metrics.get("empty_predictions", "")), centres,
                ]
            )  # fmt: skip
    headings = ["round", "structure", "scans", "Dice", "median", "ASSD (mm)", "empty masks", "Dice by centre"]
    yield from _table(headings, rows)
    yield ""
    splits = ", ".join({split: 0 for of in facts.scores.values() for one in of.values() for split in splits_of(one)})
    yield (
        f"Mean ± SD over scans of the splits {splits}, which were not trained on; in brackets 95 % bootstrap intervals "
        "over the scans (they say nothing of another training). An empty mask counts as "
        f"{facts.settings.evaluation.empty_assd_mm:g} mm."
    )
    if facts.settings.self_training.stop == "validation_dice":
        yield "The split validation, where it is among them, decided when self-training ended."
    thresholds = [
        f"{structure} {number(scores['dice']['mean'])}"
        for structure in facts.settings.labels
        if (scores := facts.baseline.get(structure)) and scores["dice"]["mean"] is not None
    ]
    if thresholds:
        yield f"A threshold alone has a mean Dice of: {', '.join(thresholds)}."


def _proxies(facts: RunFacts) -> Iterator[str]:
    if facts.checks:
        shown = [
            [_words(key), number(value, 4)] for key, value in facts.checks.items() if isinstance(value, float | int)
        ]
        yield from _table(["check of the translation", "value"], shown)
        yield ""
    if candidates := facts.choice.get("candidates"):
        keys = ("score", "agreement", "consistency", "plausible")
        tried = sorted(candidates.items(), key=lambda pair: -pair[1]["score"])
        chosen = [[name, *(number(one.get(key)) for key in keys)] for name, one in tried]
        headings = [
            "translation that was tried",
            "score",
            "seeds agree",
            "the same when disturbed",
            "plausible volumes",
        ]
        yield from _table(headings, chosen)
        yield ""
        yield f"{facts.choice.get('chosen')} was chosen: {facts.choice.get('why')}."
        yield ""
    rows = []
    for round_id, found in facts.proxies.items():
        for structure in facts.settings.labels:
            known = proxies_of(structure, found)
            doubtful = f"{known['doubtful']} of {known['pseudo_labelled']}" if "doubtful" in known else "–"
            rows.append(
                [
                    round_id, structure, number(known.get("pseudo_target_dice")), number(known.get("fold_agreement")),
                    number(known.get("round_agreement")), doubtful,
                ]
            )  # fmt: skip
    if not rows:
        yield "Nothing of the rounds: metrics/proxies is empty."
        return
    headings = ["round", "structure", "Dice, pseudo-target", "folds agree", "agrees with round before", "doubtful"]
    yield from _table(headings, rows)
    yield ""
    of_all = " (of all structures)" if len(facts.settings.labels) > 1 else ""
    yield (
        "Dice of each fold on translated scans of patients that it was not trained on, of the folds with each other "
        f"and with the round before{of_all} on the target's training scans, and pseudo-labels that something speaks "
        "against. None of it is the Dice on the target."
    )


def _expected(about: Contents) -> Iterator[str]:
    for name, (low, high) in about.volumes_mm3.items():
        yield f"- {name}: {low:g} to {high:g} mm3 in the source's training cases."
    if not about.volumes_mm3:
        yield "- Volumes of the training cases are not noted: those of masks are not judged."
    target = about.target
    if target is None:
        yield "- What the target's training scans look like is not noted: scans are not compared with them."
        return

    def shown(ranges: Sequence[tuple[float, float]]) -> str:
        return ", ".join(f"{low:g} to {high:g}" for low, high in reversed(ranges))

    yield f"- {target.cases} training scans of the target: voxels of {shown(target.spacing_zyx_mm)} mm (x, y, z),"
    yield f"  scans of {shown(target.extent_zyx_mm)} mm."


def _parameters(facts: RunFacts) -> str:
    settings = facts.settings
    sections = {"dataset", "standardise", "translation", "survey", "augmentation", "segmentation", "self_training"}
    found = settings.model_dump(mode="json", include=sections)
    del found["dataset"]["root"]  # where somebody's data lie is nobody's business
    return json.dumps(found, indent=1)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _count(value: object) -> str:
    if isinstance(value, dict):
        return f"{sum(value.values())} ({', '.join(f'{name}: {count}' for name, count in value.items())})"
    return str(value)
