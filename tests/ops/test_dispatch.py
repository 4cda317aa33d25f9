"""Which implementation runs, what is said of it, and that the kernels' library can be missing."""

import logging

import pytest

from sfm_ms.ops import cpu_library, dispatch


def implementation(reason="", **options):
    return dispatch.Implementation(lambda: reason or "built", lambda: reason, **options)


@pytest.fixture(autouse=True)
def forget():
    dispatch.automatic.cache_clear()


def test_auto_takes_the_first_that_can_run_and_says_so_once(caplog):
    caplog.set_level(logging.INFO, "sfm_ms.ops")
    choices = {"fast": implementation("no library"), "plain": implementation()}
    for _ in range(2):
        assert dispatch.choose("op", choices, "auto")() == "built"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "op runs as 'plain' (fast can't run here: no library)")
    ]


def test_auto_is_quiet_where_the_fastest_runs_and_never_takes_one_that_must_be_asked_for(caplog):
    slow = implementation(is_automatic=False)
    assert dispatch.choose("op", {"slow": slow, "fast": implementation()}, "auto")() == "built"
    assert not caplog.records
    assert dispatch.choose("op", {"slow": slow}, "slow")() == "built"
    with pytest.raises(RuntimeError, match="no implementation of op can run here"):
        dispatch.choose("op", {"slow": slow}, "auto")


def test_auto_passes_over_what_is_for_another_device_without_a_word(caplog):
    elsewhere = implementation("the device is CPU", device="Ascend")
    assert dispatch.choose("op", {"elsewhere": elsewhere, "here": implementation(device="CPU")}, "auto")() == "built"
    assert not caplog.records
    with pytest.raises(RuntimeError, match="impl='elsewhere' of op can't run here: the device is CPU"):
        dispatch.choose("op", {"elsewhere": elsewhere}, "elsewhere")


def test_a_named_choice_that_cannot_run_raises():
    with pytest.raises(RuntimeError, match="impl='fast' of op can't run here: no library"):
        dispatch.choose("op", {"fast": implementation("no library")}, "fast")
    with pytest.raises(ValueError, match=r"impl of op: expected auto or one of fast, plain, got 'fats'; did you mean fast\?"):
        dispatch.choose("op", {"fast": implementation(), "plain": implementation()}, "fats")


def test_without_the_library_the_operator_says_how_to_build_it(monkeypatch):
    monkeypatch.setattr(cpu_library, "library", lambda: None)
    assert "its library was not built" in cpu_library.why_not() and cpu_library.BUILD_COMMAND in cpu_library.why_not()
