"""`gbaseg doctor`: is this machine and folder fit to run the pipeline, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gbaseg.doctor.findings import Finding
from gbaseg.doctor.machine import device, disk, memory, packages, python_version, shared_memory
from gbaseg.doctor.project import dvc, git, parameters, scratch

__all__ = ["Finding", "diagnose", "report"]


def diagnose(load_params: Callable[[], Any], project: Path = Path()) -> list[Finding]:
    """Look at Python, packages, device, memory, disk, git, DVC, parameters and data set. Changes nothing.

    Args:
        load_params: reads and checks params.yaml; raises UserError where it is wrong.
        project: folder of the project.
    """
    return [
        python_version(),
        *packages(project / "constraints.txt"),
        device(),
        memory(),
        shared_memory(),
        disk(project),
        git(project),
        dvc(project),
        scratch(project),
        *parameters(load_params, project),
    ]


def report(findings: Sequence[Finding]) -> str:
    """The findings as lines, what to do under each that needs it, and a closing line."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        found = finding.found.replace("\n", f"\n{'':{width + 8}}")
        lines.append(f"{finding.status:4}  {finding.name:{width}}  {found}")
        if finding.advice:
            lines.append(f"{'':{width + 8}}-> {finding.advice}")
    counts = {status: sum(finding.status == status for finding in findings) for status in ("fail", "warn")}
    lines.append(f"{counts['fail']} to mend, {counts['warn']} to know about, {len(findings)} looked at")
    return "\n".join(lines)
