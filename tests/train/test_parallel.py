"""Training by several processes: shares and messages, one process alone, and two under `msrun`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import mindspore as ms
import numpy as np
import parallel_worker
import pytest
from mindspore import Parameter, Tensor

from sfm_ms.train import parallel
from sfm_ms.train.checkpoint import CheckpointError
from sfm_ms.train.parallel import Ranks, ShardedUpdate, groups, shares

ROOT = Path(__file__).resolve().parents[2]


def made(*sizes, dtype=ms.float32):
    return [Parameter(Tensor(np.arange(size), dtype), name=f"{dtype}.{place}") for place, size in enumerate(sizes)]


def test_shares_are_even_and_leave_none_out():
    assert shares([5, 1, 1, 1, 1, 1], 2) == [0, 1, 1, 1, 1, 1]
    assert shares([3, 2, 1], 1) == [0, 0, 0] and set(shares([1] * 8, 4)) == {0, 1, 2, 3}
    sizes = [151936 * 1536] + 28 * [1536 * 8960] * 3 + 28 * [1536 * 1536] * 2  # about those of Qwen2.5-1.5B
    loads = np.bincount(shares(sizes, 4), weights=sizes)
    assert loads.max() < 1.01 * loads.mean()


def test_messages_keep_the_order_their_size_and_one_type(monkeypatch):
    monkeypatch.setattr(parallel, "MESSAGE", 10)
    parameters = [*made(4, 5, 2, 30, 1), *made(1, 2, dtype=ms.float16)]
    found = [[parameter.size for parameter in group] for group in groups(parameters)]
    assert found == [[4, 5], [2], [30], [1], [1, 2]]


def test_what_is_sent_piece_by_piece_comes_whole(monkeypatch):
    monkeypatch.setattr(parallel, "MESSAGE", 4)
    ranks = Ranks()
    ranks.world, ranks.senders = 2, [lambda piece: 2 * piece]
    assert ranks.received(0, np.arange(10, dtype=np.float32)).tolist() == list(range(0, 20, 2))


def test_restoring_is_strict_about_the_ranks_own_part():
    update = ShardedUpdate(made(3, 2), parallel_worker.Optimizer(), Ranks())
    whole = update.arrays()
    del whole["first_moment.Float32.1"]
    with pytest.raises(CheckpointError, match=r"missing first_moment.Float32.1"):
        update.restore(whole)


def run_two(folder, *arguments):
    msrun = f"{Path(sys.executable).parent}/msrun --worker_num=2 --local_worker_num=2 --log_dir=log --join=True"
    command = [*msrun.split(), f"--master_port={8400 + os.getpid() % 1000}", parallel_worker.__file__, str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_two_ranks_train_as_one_with_the_whole_batch(tmp_path):
    expected = parallel_worker.train(Ranks())
    done = run_two(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (np.load(tmp_path / f"rank_{rank}.npz") for rank in range(2))
    assert set(first) == set(second) == set(expected)
    for name, value in expected.items():
        assert np.array_equal(first[name], second[name]) and np.allclose(first[name], value, rtol=0, atol=5e-6), name


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_the_job_within_a_minute(tmp_path):
    done = run_two(tmp_path, "dies")
    assert done.returncode != 0 and "exit with exception. Error code: -9" in done.stdout + done.stderr
    assert time.time() - (tmp_path / "killed").stat().st_mtime < 60
