"""Trains a Thinker by MindFormers' own Trainer, from one of its YAMLs. Needs pip install 'sfm-ms[mindformers]'.

python tools/train_mindformers.py sfm_ms/mindformers_trainer/debug.yaml

Several processes, on Ascend, whose YAML says `use_parallel: True` (MindFormers' Trainer starts none on a CPU):

msrun --worker_num=8 --local_worker_num=8 --join=True tools/train_mindformers.py sfm_ms/mindformers_trainer/stage1.yaml

Exit codes: 0 done, 2 the YAML is wrong, its run is there already, or MindFormers is not installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sfm_ms.mindformers_trainer.start import train
from sfm_ms.recipe import RecipeError
from sfm_ms.train.run_folder import RunError


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.yaml", type=Path, help="a configuration of MindFormers")
    try:
        run = train(parser.parse_args(arguments).file)
    except (RecipeError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"trained: {run}; go on with sfm eval {run.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
