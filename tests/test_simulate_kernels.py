"""The tool that shows what kernels do with their cycles: its figures are those of the simulator's reports."""

import sys

import numpy as np
import pandas as pd
import pytest
import simulate_kernels as tool

from sfm_ms.ops import ascendc_sim
from sfm_ms.ops.gated_delta_rule.ascendc.simulated import Simulated

PIPES = ["S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX"]

pytestmark = pytest.mark.skipif(bool(ascendc_sim.why_not()), reason=ascendc_sim.why_not())


def run(monkeypatch, capsys, folder, options):
    monkeypatch.setattr(sys, "argv", ["simulate_kernels", "--out", str(folder / "model"), *options.split()])
    tool.main()
    assert (folder / "model.png").stat().st_size > 0
    return pd.read_csv(folder / "model.csv"), capsys.readouterr().out


def forward_report(time, width, chunk_size):
    """Of one sequence of random numbers."""
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 1, time, 1, width)).astype(np.float16) / 4
    beta, state = rng.uniform(0.1, 2, (1, time, 1)).astype(np.float32), np.zeros((1, 1, width, width), np.float32)
    return Simulated(q, k, v, beta, -beta, np.sign(beta), state, chunk_size=chunk_size).forward_launch


def test_a_row_is_what_the_simulator_reports(monkeypatch, capsys, tmp_path):
    options = "--chip 910A --kernel forward --width 16 --chunk-size 16 --time 40 --sequences 33"
    results, out = run(monkeypatch, capsys, tmp_path, options)
    (row,), report = results.to_dict("records"), forward_report(40, 16, 16)
    num_tasks = 2  # of the core that has most to do: 33 sequences, 32 cores
    assert row["cycles"] == pytest.approx(num_tasks * report.makespan / 1e3, rel=1e-4)
    assert {pipe: row[pipe] for pipe in PIPES} == pytest.approx(
        {pipe: num_tasks * cycles / 1e3 for pipe, cycles in report.busy.items()}, rel=1e-4
    )
    assert row["MiB"] == pytest.approx(num_tasks * report.gm_bytes / 2**20, rel=1e-4)
    assert row["memory bound"] == pytest.approx(num_tasks * 40 * 4 * 16 * 2 / 32 / 1e3)  # q, k, v and out, 32 bytes a cycle
    assert row["roofline"] == max(row["memory bound"], row["Cube bound"]) < row["busiest"] < row["cycles"]
    assert row["Mtokens/s"] == pytest.approx(33 * 40 / row["cycles"], rel=1e-4)  # a thousand cycles are a microsecond
    assert row["source"] == "MODEL of the 910A, not hardware" and row["source"] in out


def test_long_sequences_are_extended_linearly():
    time = 3 * tool.GROUPS + 80
    task, _ = tool.simulated(tool.KERNELS["forward"], "910A", 16, 64, time)
    report = forward_report(time, 16, 64)
    assert task["cycles"] == pytest.approx(report.makespan, rel=1e-3)
    assert task["bytes"] == pytest.approx(report.gm_bytes)


def test_the_scan_and_a_kernel_without_a_path(monkeypatch, capsys, tmp_path):
    def rejected(*_):
        raise ascendc_sim.BuildError("compiling failed", "x.h:1: error: static assertion failed: the 910B has no such copy\n")

    monkeypatch.setitem(tool.KERNELS, "forward", tool.KERNELS["forward"]._replace(launch=rejected))
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n| {' | '.join(tool.IN_README)} |\n|---|\n| old |\nafter\n", encoding="utf-8")
    sizes = "--width 16 --chunk-size 16 32 --time 40 --sequences 32"
    options = f"--chip 910B --kernel forward scan {sizes} --readme {readme}"
    results, out = run(monkeypatch, capsys, tmp_path, options)
    assert out.count("forward has no path for the 910B: the 910B has no such copy\n") == 1
    assert list(results["kernel"]) == ["scan"]
    before, _, _, row, after = readme.read_text(encoding="utf-8").splitlines()
    assert (before, row[:15], after) == ("before", "| scan | 16 |  ", "after")
    assert results["roofline"][0] < results["cycles"][0]
