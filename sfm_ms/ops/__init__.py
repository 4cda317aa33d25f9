"""Points at the checkout's ops/ folder; the wheel ships that folder itself as sfm_ms.ops."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "ops")]
