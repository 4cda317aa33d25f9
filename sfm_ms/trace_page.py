"""The HTML page that steps through a trace: one file that needs nothing but a browser."""

from __future__ import annotations

import json
from pathlib import Path

TEMPLATE = Path(__file__).with_name("trace_page.html")
PLACEHOLDER = "{{ trace }}"
DECIMALS = 4  # the page shows tenths of a percent; more digits only make the file of a long program huge


def page(trace: dict) -> str:
    """The whole page of `Trace.to_dict()`; raises ValueError where a number in it is not finite."""
    data = json.dumps(_rounded(trace), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # No "<" is left, so no text of a program can end the script element or open a comment in it.
    return TEMPLATE.read_text(encoding="utf-8").replace(PLACEHOLDER, data.replace("<", "\\u003c"))


def _rounded(value):
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
