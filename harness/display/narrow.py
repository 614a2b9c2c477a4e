"""Tables that are too wide for a terminal, cut into several that fit, each with the first column."""

from harness.display.terminal import Block, Table

COLUMNS = 80
_BETWEEN = 2  # of two columns


def fitting(blocks: list[Block]) -> list[Block]:
    """The same, with each table that is wider than `COLUMNS` as several."""
    return [part for block in blocks for part in (_cut(block) if isinstance(block, Table) else [block])]


def width(table: Table) -> int:
    """Columns that it takes."""
    return sum(_widths(table)) + _BETWEEN * (len(table.columns) - 1)


def _cut(table: Table) -> list[Block]:
    """Columns as many at a time as fit beside the first, one at least."""
    widths = _widths(table)
    groups: list[list[int]] = [[]]
    for j in range(1, len(widths)):
        if groups[-1] and sum(_BETWEEN + widths[i] for i in (*groups[-1], j)) + widths[0] > COLUMNS:
            groups.append([])
        groups[-1].append(j)
    return [_part(table, [0, *group]) for group in groups]


def _widths(table: Table) -> list[int]:
    cells = [(*heading.removeprefix(">").split("\n"), *column) for heading, column in _columns(table)]
    return [max(map(len, column)) for column in cells]


def _columns(table: Table) -> list[tuple[str, list[str]]]:
    return [(heading, [row[j] for row in table.rows]) for j, heading in enumerate(table.columns)]


def _part(table: Table, columns: list[int]) -> Table:
    strong = {(row, columns.index(j)) for row, j in table.strong if j in columns}
    return Table(
        tuple(table.columns[j] for j in columns),
        tuple(tuple(row[j] for j in columns) for row in table.rows),
        frozenset(strong),
    )
