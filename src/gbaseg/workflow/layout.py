"""Where everything lies. The same paths stand in dvc.yaml; a test holds the two together."""

from __future__ import annotations

from pathlib import Path

# DVC's: what every stage has read and written.
LOCK = Path("dvc.lock")
PHANTOM = Path("data/raw/phantom")
# DVC removes an output before its stage runs, and `dvc exp run` before anything: the default root itself, where
# somebody may put scans of his own, is none.
GENERATED = PHANTOM / "generated"
STANDARD = Path("data/standard")
SCORING = Path("data/scoring")
# A case of either modality, for the eye alone.
MODALITIES = Path("data/modalities.png")
TRANSLATED = Path("data/translated")
AUGMENTED = Path("data/augmented")
# Copies of adaptive rules, by the round that they are made for.
ADAPTED = Path("data/adapted")
PSEUDO_LABELLED = Path("data/pseudo_labelled")
DECISIONS = Path("data/decisions")
TRANSLATION_MODEL = Path("models/translation")
# Which mode, and which model, the translation is.
CHOICE = Path("data/decisions/translation.json")
CHOICE_METRICS = Path("metrics/choice.json")
SINGAN_MODEL = Path("models/singan")
# Where a round needs another one, see `adapt`.
ROUND_SINGANS = Path("models/singan_of_round")
SEGMENTATION_MODEL = Path("models/segmentation")
METRICS = Path("metrics")
CASE_SCORES = Path("metrics/cases")
CURVES = Path("metrics/curves")
PLOTS = Path("plots")
# What a person decided about pseudo-labels, and masks drawn by hand, a folder a round; in git.
REVIEW = Path("review.yaml")
REVIEWED = Path("review")
# What DVC or gbaseg removes and makes anew; a data set lies in none of them.
OURS = (
    GENERATED, STANDARD, SCORING, MODALITIES, TRANSLATED, AUGMENTED, ADAPTED, PSEUDO_LABELLED, DECISIONS,
    Path("models"), METRICS, PLOTS, Path(".scratch"), Path(".dvc"), Path(".git"),
)  # fmt: skip

SURVEY = "survey"
ORACLE = "oracle"
BASELINE = "baseline"
# In the folder of a model and in that of its pseudo-labels: what became of the round.
ROUND = "round.json"


def adapted(round_id: str) -> Path:
    """Copies that a round is trained on besides `AUGMENTED`; a table without any where no rule is adaptive."""
    return ADAPTED / round_id


def singan_of_round(round_id: str) -> Path:
    """SinGAN that a round's copies are blended in by, where it is not that of `SINGAN_MODEL`."""
    return ROUND_SINGANS / round_id


def coverage(round_id: str) -> Path:
    """How far the copies of a round look as the target does."""
    return METRICS / "appearance" / f"{round_id}.json"


def copies_of(round_id: str) -> list[Path]:
    """Folders of all copies that a round is trained on."""
    return [AUGMENTED, adapted(round_id)]


def pseudo_labelled(round_id: str) -> Path:
    """Pseudo-labels of a round: `standard/` on the standard grid, `scan/` on the scans' own."""
    return PSEUDO_LABELLED / round_id


def model_of(round_id: str) -> Path:
    """Segmentation model of a round."""
    return SEGMENTATION_MODEL / round_id


def decision(round_id: str) -> Path:
    """Whether self-training goes on after a round (`verdict`): all that may flow from scores to training."""
    return DECISIONS / f"{round_id}.json"


def round_metrics(round_id: str) -> Path:
    """Metrics of a round, the survey or the baseline."""
    return METRICS / f"{round_id}.json"


def proxies(round_id: str) -> Path:
    """What is known of a round without the target's labels."""
    return METRICS / "proxies" / f"{round_id}.json"


def case_scores(round_id: str) -> Path:
    """Scores of a round, case by case."""
    return CASE_SCORES / f"{round_id}.csv"
