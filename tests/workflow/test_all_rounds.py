"""What of all rounds is drawn: by the stage summarise and in the report alike."""

import math
from dataclasses import replace

from gbaseg.evaluation.summary import CaseScore
from gbaseg.workflow.all_rounds import any_scored


def test_of_a_structure_that_is_in_no_label_there_is_nothing_to_draw():
    row = CaseScore("c1", "A", "test", "LV", math.nan, math.nan, math.nan, 0.0, 9.0)
    assert not any_scored([]) and not any_scored([("survey", []), ("round_0", [row])])
    assert any_scored([("survey", [row]), ("round_0", [row, replace(row, dice=0.5, assd_mm=1.0)])])
