"""What the files of this run say of it, for texts about its model. What they do not say is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.evaluation.statistics import Interval, mean_interval
from gbaseg.evaluation.summary import read_scores
from gbaseg.params import Params
from gbaseg.runtime.ledger import read_ledger
from gbaseg.text_file import read_yaml
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation, chosen
from gbaseg.workflow.context import read_json
from gbaseg.workflow.provenance import LOCK, refuse_strangers
from gbaseg.workflow.roots import is_default

# Metrics have four decimals.
_ROUNDED = 1e-3
DATA, CHECKS = layout.METRICS / "data.json", layout.METRICS / "translation.json"


@dataclass(frozen=True)
class Score:
    """Dice and ASSD (mm) of one structure in one round on labelled target scans, with intervals over the cases.

    `none`: where no case was scored, an interval is None.
    """

    metrics: Mapping[str, Any]
    dice: Interval | None
    assd_mm: Interval | None


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run.

    Args:
        settings: params.yaml.
        round_id: whose model it is.
        about_model: its round.json.
        plans, dataset: nnU-Net's.
        synthetic: the data set is the built-in phantom.
        data: metrics/data.json; empty where it is not there.
        hashes: of dvc.lock: (what, MD5, files) of the data set, of what was trained on, and of the model.
        modalities: domain -> modality, as the table of cases names it; empty where it does not.
        translation: that is used; None where that is not known yet.
        scores: round -> structure -> score, rounds in order; of those that were scored.
        proxies: round -> metrics/proxies/ROUND.json.
        baseline, checks, choice: metrics/baseline.json, translation.json and choice.json; empty where they are not
            there, the last also where no translation was chosen among several.
        device: what the model's round was trained on, as this machine's ledger has it; empty where it has not.
    """

    settings: Params
    round_id: str
    about_model: Mapping[str, Any]
    plans: Mapping[str, Any]
    dataset: Mapping[str, Any]
    synthetic: bool
    data: Mapping[str, Any]
    hashes: Sequence[tuple[str, str, int | None]]
    modalities: Mapping[str, str]
    translation: Translation | None
    scores: Mapping[str, Mapping[str, Score]]
    proxies: Mapping[str, Mapping[str, Any]]
    baseline: Mapping[str, Any]
    checks: Mapping[str, Any]
    choice: Mapping[str, Any]
    device: str

    @property
    def labelled(self) -> bool:
        """Whether any round was scored by labels of the target."""
        return any(of_round for of_round in self.scores.values())


def read_facts(round_id: str, settings: Params | None = None) -> RunFacts:
    """Read them.

    Args:
        settings: default: params.yaml.

    Raises:
        UserError: files that are there are of another run, or damaged.
    """
    settings = settings or params.load()
    names = settings.self_training.ids
    metrics = {name: layout.round_metrics(name) for name in names if layout.round_metrics(name).is_file()}
    cases = {name: layout.case_scores(name) for name in metrics if layout.case_scores(name).is_file()}
    proxies = {name: layout.proxies(name) for name in names if layout.proxies(name).is_file()}
    baseline = layout.round_metrics(layout.BASELINE)
    others = [path for path in (DATA, CHECKS, layout.CHOICE_METRICS, baseline) if path.is_file()]
    refuse_strangers([*metrics.values(), *cases.values(), *proxies.values(), *others])
    model = layout.model_of(round_id)
    about = read_json(model / layout.ROUND)
    return RunFacts(
        settings=settings,
        round_id=round_id,
        about_model=about,
        plans=read_json(model / "plans.json", "configurations"),
        dataset=read_json(model / "dataset.json", "labels"),
        synthetic=is_default(Path(settings.dataset.root)),
        data=read_json(DATA) if DATA.is_file() else {},
        hashes=_hashes(round_id),
        modalities=_modalities(),
        translation=_translation(settings),
        scores={name: _scores(read_json(file), cases.get(name), settings) for name, file in metrics.items()},
        proxies={name: read_json(file) for name, file in proxies.items()},
        baseline=read_json(baseline) if baseline.is_file() else {},
        checks=read_json(CHECKS) if CHECKS.is_file() else {},
        choice=read_json(layout.CHOICE_METRICS) if layout.CHOICE_METRICS.is_file() else {},
        device=read_ledger().get(f"train_segmentation/{about.get('trained_in', round_id)}", {}).get("device", ""),
    )


def _scores(metrics: Mapping[str, Any], cases: Path | None, settings: Params) -> dict[str, Score]:
    rows = read_scores(cases) if cases is not None else []
    found = {}
    for structure in settings.labels:
        scored = metrics.get(structure)
        if not scored or not scored.get("cases"):
            continue
        of_it = [row for row in rows if row.structure == structure and not math.isnan(row.dice)]
        dice, assd_mm = [row.dice for row in of_it], [row.assd_mm for row in of_it]
        found[structure] = Score(
            scored, _interval(dice, scored["dice"]["mean"]), _interval(assd_mm, scored["assd_mm"]["mean"])
        )
    return found


def _interval(values: Sequence[float], mean: float | None) -> Interval | None:
    """Bootstrap over the cases; None with fewer than two, or where they are not those that the mean is of."""
    if len(values) < 2 or mean is None or abs(float(np.mean(values)) - mean) > _ROUNDED * max(1.0, mean):
        return None
    return mean_interval([np.array(values)])


def _translation(settings: Params) -> Translation | None:
    if settings.translation.mode == "auto" and not layout.CHOICE.is_file():
        return None
    return chosen(settings.translation)


def _hashes(round_id: str) -> list[tuple[str, str, int | None]]:
    if not LOCK.is_file():
        return []
    stages = (read_yaml(LOCK) or {}).get("stages", {})
    found = [("the data set as it came in", one) for one in stages.get("standardise", {}).get("deps", [])]
    wanted = {str(path) for path in (layout.STANDARD, layout.TRANSLATED, layout.AUGMENTED, layout.model_of(round_id))}
    for stage in stages.values():
        found += [(one["path"], one) for one in stage.get("outs", []) if one["path"] in wanted]
    return [(what, one["md5"], one.get("nfiles")) for what, one in found if "md5" in one]


def _modalities() -> dict[str, str]:
    """Domain -> what its scans are, where all of them are that."""
    if not (layout.STANDARD / "cases.csv").is_file():
        return {}
    by_domain: dict[str, set[str]] = {}
    for case in read_table(layout.STANDARD):
        by_domain.setdefault(case.domain, set()).add(case.modality)
    return {domain: next(iter(names)) for domain, names in by_domain.items() if len(names) == 1 and "" not in names}
