"""The figure of the four systems: drawn for a model that has them, refused for one that has not."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def draw(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "draw_systems.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_model_is_drawn_and_another_one_refused(tmp_path):
    done = draw("debug/python_code", "--out", str(tmp_path / "new" / "systems.png"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "systems.png").stat().st_size > 10_000
    refused = draw("state_tracking/quick")
    assert refused.returncode == 2 and "model.kind: expected state_flow_machine, got state_tracker" in refused.stderr
