"""Jobs of a real SLURM that end before their tasks: a node lost, a time limit hit. The longest of these tests."""

import threading

import pytest

from gbaseg.runtime.engine import Task, run

pytestmark = pytest.mark.processes


def counting(folder, steps, name="fold 0"):
    import stubs

    (folder / name).mkdir(exist_ok=True)
    return Task(name, stubs.count, {"folder": folder / name, "steps": steps})


def test_a_lost_node_costs_what_was_done_since_the_last_checkpoint(site):
    lost = []

    def lose():
        site.until((site.folder / "fold 0" / "checkpoint").exists, "a checkpoint")
        [node] = {line.split()[2] for line in site.cluster.jobs()}
        lost.append(node)
        site.cluster.lose_node(node)

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        with site.stage():
            [(done, starts)] = run([counting(site.folder, 60)], lasting=True, deal_cores=True)
    finally:
        thread.join()
        site.cluster.start_node(lost[0])
        site.until(site.cluster.is_idle, "the node is back")
    assert done == 60 and len(starts) == 2
    (first, begun), (second, went_on) = (start.split() for start in starts)
    assert first == lost[0] != second and begun == "0" and int(went_on) >= 5


def test_ahead_of_its_time_limit_a_job_writes_a_checkpoint_and_goes_back_into_the_queue(site):
    with site.stage(time=1, ahead_s=50):
        [(done, starts)] = run([counting(site.folder, 450)], lasting=True, deal_cores=True)
    assert done == 450 and len(starts) >= 2 and site.submissions() == 1
    # Between two checkpoints of its own: it was asked, and wrote one.
    assert int(starts[1].split()[1]) > 0
