"""What `gbaseg tables` says beside its tables."""

from dataclasses import replace

from gbaseg.commands.tables import draws_note, failures_note
from gbaseg.evaluation.runs import Run


def run(arm, share, seed=1):
    return Run(f"{arm}-{seed}", arm, "cyclegan", "A", 0, seed, {"round_0": []}, unaltered_share=share)


def test_arms_that_draw_copies_alike():
    assert draws_note([run("gba", 0.2), run("naive", 0.2), run("none", 1.0)]) == [
        "Unaltered images among the draws from the source: none 1.00, naive 0.20, gba 0.20."
    ]


def test_the_papers_counts_are_said_to_be_of_the_comparison():
    [note] = draws_note([run("gba", 210 / 498), run("naive", 210 / 354, 1), run("naive", None, 2)])
    assert note.startswith("Unaltered images among the draws from the source: naive 0.59, gba 0.42; arms differ in how")
    assert note.endswith("(augmentation.draws: images).")


def test_runs_of_older_code_say_nothing():
    assert draws_note([run("gba", None)]) == []


def test_failed_translations_are_named_with_what_they_were_judged_by():
    runs = [
        replace(run("none", None), failed=True, judged_by="none"),
        run("gba", None),
        replace(run("gba", None, seed=2), failed=True, judged_by="checks", retraining=1),
    ]
    [note] = failures_note(runs)
    assert note.endswith(
        "cyclegan A, seed 1 (by its arm without copies); "
        "cyclegan A run 1, seed 2 (by checks without labels, in the place of an arm without copies)."
    )
    assert failures_note(runs[1:2]) == []
