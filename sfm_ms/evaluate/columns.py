"""Rows of words as lines of text."""

from __future__ import annotations


def aligned(rows: list[list[str]]) -> str:
    """Columns flush right, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
