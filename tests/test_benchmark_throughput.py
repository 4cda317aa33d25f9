"""The benchmark tool: what it measures adds up, it compares with an earlier run, and it times recipes too."""

import os
import subprocess
import sys
from pathlib import Path

import benchmark_throughput
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_throughput, "GEMM_SIZE", 64)
        yield benchmark_throughput


def run(benchmark, monkeypatch, capsys, folder, options):
    monkeypatch.setattr(sys, "argv", ["benchmark", "--rounds", "2", "--out", str(folder / "run"), *options.split()])
    benchmark.main()
    assert (folder / "run.png").stat().st_size > 0
    return pd.read_csv(folder / "run.csv"), capsys.readouterr().out


def test_an_operator_beside_the_matrix_product(benchmark, monkeypatch, capsys, tmp_path):
    sizes = "--batch 1 --time 40 --heads 2 --width 16 --chunk-size 16 --impl chunked reference"
    results, out = run(benchmark, monkeypatch, capsys, tmp_path, sizes)
    directions = ("forward", "forward+backward")
    assert list(results["job"][1:]) == [f"{impl} {one}" for impl in ("chunked", "reference") for one in directions]
    assert results["share"][0] == 1 and "matrix product of 64" in out
    seconds, flops = results["ms"] / 1e3, 2 * 40 * (10 * 64 * 16 + 0.67 * 64**2 + 6 * 16**2)
    assert results["tokens/s"][1] == pytest.approx(40 / seconds[1], rel=1e-3)
    assert results["GFLOP/s"][1] == pytest.approx(flops / seconds[1] / 1e9, rel=1e-3)
    assert results["GFLOP/s"][2] == pytest.approx(3.5 * flops / seconds[2] / 1e9, rel=1e-3)
    assert results["share"][1] == pytest.approx(results["GFLOP/s"][1] / results["GFLOP/s"][0], rel=1e-3)
    assert (results["low"] <= results["ms"]).all() and (results["ms"] <= results["high"]).all()

    earlier = results.assign(ms=2 * results["ms"])
    earlier.iloc[:3].to_csv(tmp_path / "earlier.csv", index=False)
    assert list(benchmark.compared(results, pd.read_csv(tmp_path / "earlier.csv")).split()).count("2") >= 3
    _, out = run(benchmark, monkeypatch, capsys, tmp_path, f"{sizes} --compare {tmp_path}/earlier.csv")
    assert "speed relative to" in out and out.count("reference forward") == 2


def test_the_signed_scan(benchmark, monkeypatch, capsys, tmp_path):
    options = "--operator signed_scan --batch 1 --time 9 --width 8 --impl chunked"
    results, _ = run(benchmark, monkeypatch, capsys, tmp_path, options)
    assert list(results["job"][1:]) == ["chunked forward", "chunked forward+backward"]


def test_training_steps_of_a_recipe(benchmark, monkeypatch, capsys, tmp_path):
    results, _ = run(benchmark, monkeypatch, capsys, tmp_path, "--recipe debug/state_tracking")
    step = results.iloc[1]
    assert step["job"] == "step of debug/state_tracking" and step["GFLOP/s"] > 0
    assert step["tokens/s"] == pytest.approx(step["batch"] * step["time"] / step["ms"] * 1e3, rel=1e-3)


@pytest.mark.slow
def test_under_msrun_the_first_of_two_processes_reports(tmp_path):
    msrun = f"{Path(sys.executable).parent}/msrun --worker_num=2 --local_worker_num=2 --log_dir=log --join=True"
    tool = f"{ROOT}/tools/benchmark_throughput.py --impl chunked --time 20 --heads 1 --width 16 --rounds 2"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(f"{msrun} {tool}".split(), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chunked forward+backward") == 1
    logs = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "log").iterdir()}
    assert [name for name, text in sorted(logs.items()) if "matrix product" in text] == ["worker_0.log"], logs
