"""The table that `bench/run` prints."""

HEAD = ("what", "ours", "compared with", "result", "goal", "", "best peer")


class Table:
    """Rows of text; `add` judges a figure against its goal."""

    def __init__(self, head=HEAD):
        self._rows = [head]

    def row(self, *cells):
        """A row as it is."""
        self._rows.append(cells)

    def add(self, what, ours, against="", result="", goal=None, figure=None, peer=""):
        """A row. With a goal, `figure` is what must not be above it; `goal` is (limit, text)."""
        limit, text = goal or (None, "")
        verdict = "" if limit is None else "ok" if figure <= limit else "MISSED"
        self._rows.append((what, ours, against, result, text, verdict, peer))

    def text(self):
        widths = [max(len(row[column]) for row in self._rows) for column in range(len(self._rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in self._rows]
        return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def seconds(value):
    return f"{value:.2f} s"


def milliseconds(value):
    return f"{value * 1000:.1f} ms"


def mebibytes(value):
    return f"{value / 2**20:.1f} MiB"
