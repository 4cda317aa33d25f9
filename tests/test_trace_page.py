"""The page and the PNG of a trace, on a made-up trace: what a reader sees at every step, in a real browser."""

import copy
import json
import random
import re

import pytest

from sfm_ms import plots
from sfm_ms.trace_page import page

pytest_plugins = ["browser"]

NUM_SLOTS = 16
VARIABLES = ["a", "b", "c", "d", "e"]
HOMES = dict(zip(VARIABLES, (5, 0, 12, 9, 14), strict=True))
MISTAKE = 18  # the statement (from 1) whose result the tracker of the fake trace gets wrong


def one_hot(slot, strength=1.0, leak=0.0):
    return [strength if other == slot else leak for other in range(NUM_SLOTS)]


def program(num_statements):
    """Statements (text, kind, target, variables read, function of the values), each variable first given a constant."""
    rng = random.Random(0)
    for index in range(num_statements):
        target, other, constant = rng.choice(VARIABLES), rng.choice(VARIABLES), rng.randint(0, 20)
        kind = rng.choice(("constant", "update", "copy"))
        if index < len(VARIABLES):
            target, kind = VARIABLES[index], "constant"
        if kind == "constant":
            yield f"{target} = {constant}", kind, target, [], lambda values, n=constant: n
        elif kind == "copy":
            yield f"{target} = {other}", kind, target, [other], lambda values, o=other: values[o]
        else:
            both = (target, other)
            yield f"{target} = {target} + {other}", kind, target, [*both], lambda values, b=both: sum(values[v] for v in b) % 101


def fake_trace(num_statements):
    """A trace of a tracker that is right but for one result, which then spreads as a program spreads it."""
    true, held, statements = {}, {}, []
    for index, (text, kind, target, operands, function) in enumerate(program(num_statements)):
        true[target], held[target] = function(true), function(held)
        if index + 1 == MISTAKE:
            held[target] = (held[target] + 1) % 101
        num_ticks = 1 + len(operands)
        steps = [
            {"reached": 1 / (tick + 1), "writes": one_hot(HOMES[target], 0.97, 0.01), "result": held[target], "probability": 0.9}
            for tick in range(num_ticks)
        ]
        by_slot = {HOMES[variable]: value for variable, value in held.items()}
        statements.append(
            {
                "line": index + 3,
                "text": text,
                "kind": kind,
                "ticks": sum(step["reached"] for step in steps),
                "reads": [{"token": name, "weights": one_hot(HOMES[name], 0.96, 0.002)} for name in operands],
                "tick_steps": steps,
                "writes": one_hot(HOMES[target], 1.01, 0.01),
                "slots": [
                    {"value": by_slot.get(slot, 3), "probability": 0.98 if slot in by_slot else 0.001}
                    for slot in range(NUM_SLOTS)
                ],
                "decoded": [
                    {
                        "variable": variable,
                        "value": held.get(variable, 3),
                        "probability": 0.98 if variable in held else 0.001,
                        "true": true.get(variable),
                        "slot": HOMES[variable],
                    }
                    for variable in VARIABLES
                ],
            }
        )
    return {"run": "runs/fake", "variables": VARIABLES, "num_slots": NUM_SLOTS, "statements": statements}


TRACE = fake_trace(40)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "trace.html"
    file.write_text(page(TRACE), encoding="utf-8")
    return file


def expected(position):
    """What the page must show after `position` statements: decoded, true, wrong ones, slots, right so far."""
    if position == 0:
        nothing = dict.fromkeys(VARIABLES, "—")
        return nothing, nothing, set(), [""] * NUM_SLOTS, (0, 0)
    statement = TRACE["statements"][position - 1]
    known = [entry for entry in statement["decoded"] if entry["true"] is not None]
    unknown = {entry["variable"]: "—" for entry in statement["decoded"] if entry["true"] is None}
    so_far = [entry for earlier in TRACE["statements"][:position] for entry in earlier["decoded"] if entry["true"] is not None]
    return (
        unknown | {entry["variable"]: str(entry["value"]) for entry in known},
        unknown | {entry["variable"]: str(entry["true"]) for entry in known},
        {entry["variable"] for entry in known if entry["value"] != entry["true"]},
        [str(slot["value"]) if slot["probability"] > 0.5 else "" for slot in statement["slots"]],
        (sum(entry["value"] == entry["true"] for entry in so_far), len(so_far)),
    )


def check(shown, position):
    assert shown.position == position
    assert shown.current == ([str(position)] if position else [])
    assert (shown.decoded(), shown.true(), shown.wrong(), shown.slots(), shown.right) == expected(position)


def test_every_step_by_the_arrow_keys(open_trace_page, path):
    shown = open_trace_page(path)
    check(shown, 0)
    for position in range(1, 41):
        shown.press("ArrowDown" if position % 2 else "ArrowRight")
        check(shown, position)
    shown.press("ArrowDown")
    check(shown, 40)
    for position in reversed(range(40)):
        shown.press("ArrowUp" if position % 2 else "ArrowLeft")
        check(shown, position)
    shown.press("ArrowUp")
    check(shown, 0)
    assert shown.complaints() == []


def test_jumps_by_home_end_clicks_buttons_and_address(open_trace_page, path):
    shown = open_trace_page(path, "#7")
    check(shown, 7)
    shown.press("End")
    check(shown, 40)
    shown.wait_for_fragment("#40")
    shown.press("Home")
    check(shown, 0)
    shown.wait_for_fragment("#0")
    shown.click("#next")
    check(shown, 1)
    shown.click('li[data-statement="9"]')
    check(shown, 9)
    shown.click("#previous")
    check(shown, 8)
    shown.driver.execute_script("location.hash = '#23'")
    shown.wait_for_fragment("#23")
    check(shown, 23)
    for fragment, position in (("#99", 40), ("#-2", 0), ("#x", 0), ("", 0)):
        check(open_trace_page(path, fragment), position)
    assert shown.complaints() == []


def filled(texts):
    return {slot: text for slot, text in enumerate(texts) if text}


def test_the_page_shows_what_is_read_written_and_wrong(open_trace_page, path):
    index, statement = next((i, s) for i, s in enumerate(TRACE["statements"]) if s["text"] == "e = e + b")
    shown = open_trace_page(path, f"#{index + 1}")
    assert filled(shown.slots("read")) == {HOMES["e"]: "e 96%", HOMES["b"]: "b 96%"}
    assert filled(shown.slots("written")) == {HOMES["e"]: "101%"}
    assert filled(shown.slots("names")) == {slot: name for name, slot in HOMES.items()}
    assert shown.ticks("reached") == ["100.0%", "50.0%", "33.3%"]
    assert shown.ticks("result") == [str(step["result"]) for step in statement["tick_steps"]]
    assert shown.ticks("targets") == [f"{HOMES['e']}: 97%"] * 3
    assert open_trace_page(path, f"#{MISTAKE}").wrong() == expected(MISTAKE)[2] != set()
    lines = shown.driver.execute_script("return [...document.querySelectorAll('li.wrong')].map(line => +line.dataset.statement)")
    assert lines == [number for number in range(1, 41) if expected(number)[2]]


def test_the_listing_scrolls_with_the_cursor(open_trace_page, tmp_path):
    file = tmp_path / "long.html"
    file.write_text(page(fake_trace(1000)), encoding="utf-8")
    in_view = """
        const line = document.querySelector('li[aria-current]').getBoundingClientRect();
        const list = document.querySelector('#program').getBoundingClientRect();
        return list.top <= line.top && line.bottom <= list.bottom && document.scrollingElement.scrollTop === 0"""
    shown = open_trace_page(file, "#700")
    assert shown.driver.execute_script(in_view)
    shown.press("End", *["ArrowUp"] * 30)
    assert shown.position == 970 and shown.driver.execute_script(in_view)
    assert shown.complaints() == []


TRICKY = "a = '</script><script>document.title = 1</script><!--<script>&amp;<b>\u2028é{{ trace }}'"


def tricky_trace():
    trace = copy.deepcopy(fake_trace(3))
    trace["run"] = trace["statements"][0]["text"] = TRICKY
    return trace


def test_the_page_needs_nothing_else_and_holds_the_trace():
    html = page(tricky_trace())
    assert not re.search(r"https?:|//\w|url\(|@import|<(img|iframe|object|embed)\b|\bsrc=|fetch\(|import\(", html)
    assert re.findall(r"<link [^>]*>", html) == ['<link rel="icon" href="data:,">']
    assert html.count("<script") == html.count("</script") == 2
    data = re.search(r'<script type="application/json" id="trace">(.*?)</script>', html, re.DOTALL)[1]
    assert json.loads(data)["statements"][0]["text"] == TRICKY


def test_tricky_text_is_shown_as_it_is(open_trace_page, tmp_path):
    file = tmp_path / "tricky.html"
    file.write_text(page(tricky_trace()), encoding="utf-8")
    shown = open_trace_page(file, "#1")
    read = "return document.querySelector(arguments[0]).textContent"
    for selector in ("#run", "#statement", 'li[data-statement="1"] .text'):
        assert shown.driver.execute_script(read, selector) == TRICKY
    assert shown.complaints() == []


def test_numbers_are_short_and_finite():
    trace = fake_trace(1)
    trace["statements"][0]["ticks"] = 1.23456789
    assert "1.2346," in page(trace)
    trace["statements"][0]["ticks"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        page(trace)


@pytest.mark.parametrize("num_statements", [1, 40, 300])
def test_the_heat_map_is_a_png(tmp_path, num_statements):
    file = tmp_path / "plots" / "trace.png"
    plots.trace(fake_trace(num_statements), file)
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and file.stat().st_size > 5000
