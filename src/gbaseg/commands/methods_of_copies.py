"""What METHODS.md says of copies of other tumour contrasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gbaseg.augmentation.settings import AugmentationSettings, Rule, structures
from gbaseg.volume import numbers_as_text

_ALTERED = {
    "diameter": "{share:g} % were given another size (diameter times 0.8 to 1.25)",
    "compartments": "{share:g} % a core of another intensity than its rim",
    "texture": "{share:g} % the texture of pseudo-labelled target scans",
    "edges": "{share:g} % sharper or softer edges",
}


def of_copies(augmentation: AugmentationSettings, cited: list[str]) -> Iterator[str]:
    """Sentences; `cited` gets the references that they need."""
    if augmentation.arm == "none":
        yield "No copies of other tumour contrasts were added."
        return
    of = _ways(augmentation.rules, augmentation.makes_copies)
    if augmentation.arm == "gba":
        cited.append("singan")
        steps = sorted({step for rule in augmentation.rules for step in rule.k_star})
        yield (
            f"Generative blending augmentation (Sallé et al.) added copies in which structures' intensities were "
            f"rescaled ({of}), harmonised by a SinGAN (Shaham et al.; {augmentation.singan.iterations} iterations a "
            f"scale, start {numbers_as_text(steps)} scale(s) below the finest) and blended in."
        )
    elif augmentation.arm == "naive":
        yield f"Copies were added in which structures' intensities were rescaled ({of})."
    else:
        yield f"Structures' intensities were rescaled ({of}) at random whenever a case was drawn in training."
    if augmentation.together and sum(rule.adaptive > 0 for rule in augmentation.rules) > 1:
        yield "Copies with factors that were drawn show all of these structures altered."
    if altered := [_ALTERED[kind].format(share=100 * share) for kind, share in augmentation.alterations if share]:
        yield f"Of these copies {', '.join(altered)}."


def _ways(rules: Sequence[Rule], sized: bool) -> str:
    """How the rules rescale structures; once where all are rescaled alike. `sized`: copies can take sizes."""
    found: dict[str, str] = {}
    for name in structures(rules):
        own = [rule for rule in rules if rule.structure == name]
        factors = sorted({value for rule in own for value in rule.lambdas})
        ways = [f"times {numbers_as_text(factors)}"] if factors else []
        ways += [f"by factors{size} drawn from what the target showed" for size in _sizes(own, sized)]
        found[name] = " and ".join(ways)
    alike = set(found.values())
    return alike.pop() if len(alike) == 1 else "; ".join(f"{name}: {ways}" for name, ways in found.items())


def _sizes(rules: Sequence[Rule], sized: bool) -> list[str]:
    """Of rules that draw, each way once: whether sizes are drawn beside factors."""
    said = {False: "", True: " and sizes", "if_needed": " (and sizes, where these left too much of the distance)"}
    return list(dict.fromkeys(said[rule.adaptive_size if sized else False] for rule in rules if rule.adaptive))
