"""Numbers of the segmentation (METHOD 6)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gbaseg.settings import Count, Fraction, Positive, Settings

Edge = Annotated[int, Field(ge=8)]


def _each_once(axes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(axes)) < len(axes):
        raise ValueError("an axis is named twice; allowed: each of z, y, x at most once")
    return axes


class NetworkSettings(Settings):
    """What nnU-Net's planner decides by itself, unless a number stands here."""

    patch_size_zyx: tuple[Count, Edge, Edge] | None = Field(
        None,
        description="voxels; null: as nnU-Net plans. Stacks of fewer slices are padded; of one slice the network is "
        "that of nnU-Net's 2d configuration",
    )
    batch_size: Count | None = Field(None, description="patches an iteration; null: as nnU-Net plans")
    # Two stages leave nnU-Net's deep supervision without a loss: it trains to NaN.
    features: Annotated[tuple[Count, ...], Field(min_length=3)] | None = Field(
        None, description="feature maps of each resolution stage, finest first; null: as nnU-Net plans"
    )
    convs_per_stage: Count | None = Field(None, description="convolutions of each stage; null: nnU-Net's 2")
    mirrored: Annotated[tuple[Literal["z", "y", "x"], ...], AfterValidator(_each_once)] | None = Field(
        None,
        description="axes along which patches are mirrored at random, and images where prediction.mirroring is true; "
        "[x]: left and right alone, [z, y, x] or null: all (nnU-Net)",
    )


class PredictionSettings(Settings):
    """What a trained model is used with. Another threshold makes other pseudo-labels, and those train later rounds."""

    tile_step: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="step of the sliding window, in patch sizes (nnU-Net: 0.5)"
    )
    mirroring: bool = Field(True, description="average over mirrored images (nnU-Net: true)")
    threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="lowest ensemble softmax of a structure's voxel; under 0.5 also where none is more probable"
    )
    grow_threshold: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="softmax down to which a kept component grows into the voxels it touches (hysteresis thresholding, "
        "ours); null: it does not (paper)",
    )
    ends: Literal["source_volumes"] | dict[str, Annotated[float, Field(gt=0, lt=1)]] | None = Field(
        None,
        description="softmax at which structures end (ours), by name (of others: threshold), or source_volumes: found "
        "anew in every round, so that those of the target's training cases are on average as large as the source's "
        "labels; either with grow_threshold null. null: at threshold or grow_threshold",
    )

    def end_of(self, structure: str) -> float:
        """Softmax at which masks of it end; of `source_volumes`, before that is known, as if nothing was asked for."""
        end = self.threshold if self.grow_threshold is None else self.grow_threshold
        return self.ends.get(structure, end) if isinstance(self.ends, dict) else end

    @model_validator(mode="after")
    def _grows_outwards(self) -> Self:
        if self.grow_threshold is not None and self.ends is not None:
            raise ValueError(f"grow_threshold {self.grow_threshold} beside ends; allowed: one of them, the other null")
        if self.grow_threshold is not None and self.grow_threshold > self.threshold:
            raise ValueError(
                f"grow_threshold {self.grow_threshold} is over threshold {self.threshold}; allowed: up to it, or null"
            )
        return self


class SegmentationSettings(Settings):
    """nnU-Net v2, 3d_fullres, in folds."""

    folds: Annotated[int, Field(ge=2)] = Field(5, description="folds, split by patient and ensembled")
    members: Count = Field(
        1,
        description="networks of each fold, of other seeds (ours); all vote, and are asked how far they agree",
    )
    epochs: Count = Field(500, description="epochs of each round but the last (paper: 500)")
    last_round_epochs: Count = Field(1000, description="epochs of the last round (paper: 1000)")
    iterations_per_epoch: Count = Field(250, description="iterations an epoch (nnU-Net: 250)")
    validation_iterations: Count = Field(50, description="patches of the held-out fold an epoch (nnU-Net: 50)")
    learning_rate: Positive = Field(1e-2, description="its highest (nnU-Net: 0.01, with sgd)")
    optimiser: Literal["sgd", "adamw"] = Field(
        "sgd", description="sgd, with Nesterov's momentum of 0.99 (nnU-Net), or adamw: learns in fewer steps"
    )
    schedule: Literal["polynomial", "one_cycle"] = Field(
        "polynomial",
        description="of the learning rate: polynomial, down from epoch to epoch (nnU-Net), or one_cycle: up and down "
        "again from step to step",
    )
    oversample_foreground: Fraction = Field(0.33, description="share of patches centred on a label (nnU-Net: 0.33)")
    start: Literal["scratch", "warm"] = Field(
        "scratch", description="scratch (paper), or warm: from the round before; round 0 is from scratch"
    )
    prediction: PredictionSettings = PredictionSettings()
    network: NetworkSettings = NetworkSettings()

    @property
    def networks(self) -> int:
        """Trained in a round: the members of all folds."""
        return self.folds * self.members
