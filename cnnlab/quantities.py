"""Numbers that are formatted with a unit; in JSON and CSV they stay plain numbers."""


class Bytes(int):
    """A number of bytes: `125.58 kB`, in decimal units as in the course's slides."""

    def __format__(self, spec: str) -> str:
        """In the unit that leaves one to three digits before the point."""
        if self < 1000:
            return f"{int(self)} B"
        amount, unit = self / 1000, "kB"
        for larger in ("MB", "GB", "TB"):
            if amount < 1000:
                break
            amount, unit = amount / 1000, larger
        return f"{amount:.2f} {unit}"


class Change(float):
    """A relative change: `-81.1 %`."""

    def __format__(self, spec: str) -> str:
        """In percent with its sign."""
        return f"{100 * float(self):+.1f} %"


def rounded_time(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`, `5 days`: as precise as an estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:,.0f} days"
