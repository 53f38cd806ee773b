"""How times are said: what something took, and what it may take."""

from __future__ import annotations


def took(seconds: float) -> str:
    """`12 s`, `3 min 5 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float) -> str:
    """A forecast, no more exact than it is: `about 20 s`, `about 14 min`, `about 5 h`, `about 3 days`."""
    for size, unit, least in ((86400, "days", 48 * 3600), (3600, "h", 90 * 60), (60, "min", 55)):
        if seconds >= least:
            number = seconds / size
            return f"about {number:.1f} {unit}" if number < 9.5 and unit != "min" else f"about {number:.0f} {unit}"
    return f"about {max(5, 5 * round(seconds / 5))} s"
