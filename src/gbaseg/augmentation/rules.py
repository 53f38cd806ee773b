"""Which cases are augmented, and the copies that follow: a plan made before any image is touched (METHOD 5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from gbaseg.augmentation.appearance import Appearance
from gbaseg.augmentation.rescale import Change
from gbaseg.augmentation.settings import Arm, Rule
from gbaseg.errors import UserError


@dataclass(frozen=True)
class Measurement:
    """A structure of a case, measured on the pseudo-target image."""

    case: str
    centre: str
    structure: str
    appearance: Appearance


@dataclass(frozen=True)
class Copy:
    """One augmented copy to make.

    Args:
        factor: lambda.
        k_star: None where nothing is harmonised (arm `naive`).
        offset: of a change that is drawn, see `adaptive`.
        number: of the changes that are drawn for a case, from 1; 0 of a factor that the rule names.
        diameter: factor on the structure's, drawn with the change.
        besides: what is done to other structures in the same image (`together`).
    """

    case: str
    rule: str
    structure: str
    factor: float
    k_star: int | None
    offset: float = 0.0
    number: int = 0
    diameter: float = 1.0
    besides: tuple[Copy, ...] = ()

    @property
    def parts(self) -> tuple[Copy, ...]:
        """What is done to each structure, a copy of its own each."""
        return (self, *self.besides)

    @property
    def change(self) -> Change:
        """What is done inside the structure."""
        return Change(self.factor, self.offset)

    @property
    def unblended(self) -> Copy:
        """The same from whatever scale it is blended in: what is done to the structures."""
        return replace(self, k_star=None, besides=tuple(part.unblended for part in self.besides))

    @property
    def name(self) -> str:
        """Name of the copy, as in `crossmoda2022_etz_1_large_l0.7_k3`; a drawn change has its number, as `_la2`."""
        start = "" if self.k_star is None else f"_k{self.k_star}"
        which = f"a{self.number}" if self.number else f"{self.factor:g}"
        rules = "-".join(part.rule for part in self.parts)
        return f"{copy_prefix(self.case, rules)}{which}{start}"


def copy_prefix(case: str, rule: str) -> str:
    """What the names of all copies of a case by a rule begin with."""
    return f"{case}_{rule}_l"


def fires(rule: Rule, measurement: Measurement) -> bool:
    """Whether `rule` selects this structure. An absent structure is never selected: nothing to rescale."""
    seen = measurement.appearance
    return (
        measurement.structure == rule.structure
        and (rule.centres == "both" or measurement.centre in rule.centres)
        and seen.volume_mm3 > 0
        and (rule.volume_mm3_above is None or seen.volume_mm3 > rule.volume_mm3_above)
        and (rule.volume_mm3_below is None or seen.volume_mm3 < rule.volume_mm3_below)
        and (rule.std_above is None or seen.std > rule.std_above)
    )


def select_cases(rule: Rule, measurements: Sequence[Measurement]) -> list[str]:
    """Names of the cases that `rule` selects, sorted.

    Raises:
        UserError: the rule names a centre that no case is of (a slip that would select nothing, silently).
    """
    known = {measurement.centre for measurement in measurements}
    if rule.centres != "both" and (unknown := sorted(set(rule.centres) - known)):
        raise UserError(
            f"augmentation rule {rule.name}: centres {', '.join(unknown)} not in the data; "
            f"the cases are of {', '.join(sorted(known)) or 'no centre'}; or set centres to both"
        )
    return sorted(measurement.case for measurement in measurements if fires(rule, measurement))


def plan_copies(rules: Sequence[Rule], measurements: Sequence[Measurement], arm: Arm = "gba") -> list[Copy]:
    """The copies whose factors the rules name, ordered by rule, case, factor, start scale as the settings list them.

    Arm `gba`: one for each selected case, factor and start scale (paper: 48 cases x 3 x 2 = 288); `naive`: one
    for each case and factor; `online`: the same, which training chooses from; `none`: no copies.

    Args:
        rules: which cases, and their factors.
        measurements: of the pseudo-target.
        arm: that they are for.

    Raises:
        UserError: a rule names an unknown centre.
    """
    if arm == "none":
        return []
    return [
        Copy(case, rule.name, rule.structure, factor, k_star)
        for rule in rules
        for case in select_cases(rule, measurements)
        for factor in rule.lambdas
        for k_star in starts_of(rule, arm)
    ]


def starts_of(rule: Rule, arm: Arm) -> Sequence[int | None]:
    """Scales that copies by a rule are harmonised from; `None` where nothing is."""
    return rule.k_star if arm == "gba" else [None]


def equal_draws(copies: Sequence[Copy], arm: Arm) -> dict[str, Fraction]:
    """How often training draws an image so that arms differ in what a copy is, not in how many there are.

    A case and each of its factors are drawn alike: the start scales of a factor share its draw, and a case that arm
    `online` rescales has the draws of the copies that it lacks.

    Args:
        copies: as planned for the arm.

    Returns:
        Image -> draws for one of an unaltered image that no rule selects; images that are not in it have one, too.
    """
    if arm == "online":
        return {case: Fraction(1 + ways) for case, ways in Counter(copy.case for copy in copies).items()}
    starts = Counter((copy.case, copy.rule, copy.change) for copy in copies)
    return {
        copy.name: Fraction(1, shared) for copy in copies if (shared := starts[copy.case, copy.rule, copy.change]) > 1
    }


def unaltered_share(cases: Sequence[str], copies: Sequence[Copy], draws: Mapping[str, Fraction], arm: Arm) -> float:
    """Share of the draws from the source that show a case as the translation left it.

    Args:
        cases: all of the source's training cases.
        copies: as planned for the arm.
        draws: see `equal_draws`; empty where every image is drawn alike.
    """
    if arm == "online":
        ways = Counter(copy.case for copy in copies)
        drawn = sum((draws.get(case, Fraction(1)) for case in cases), Fraction(0))
        altered = sum(
            (draws.get(case, Fraction(1)) * Fraction(count, 1 + count) for case, count in ways.items()), Fraction(0)
        )
    else:
        altered = sum((draws.get(copy.name, Fraction(1)) for copy in copies), Fraction(0))
        drawn = len(cases) + altered
    return float(1 - altered / drawn)


def check_start_scales(rules: Sequence[Rule], last_scale: int) -> None:
    """Check every k* against the pyramid, whose scales are 0 .. `last_scale` (K).

    Raises:
        UserError: rules would start below the coarsest scale; a line each.
    """
    faults = [
        f"augmentation.rules[{index}].k_star: found {rule.k_star}; rule {rule.name}: k_star {max(rule.k_star)} starts "
        f"below the coarsest scale; the SinGAN has K = {last_scale}, so k_star is at most {last_scale}"
        for index, rule in enumerate(rules)
        if max(rule.k_star) > last_scale
    ]
    if faults:
        raise UserError("\n".join(faults))
