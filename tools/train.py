"""`sfm train` as a file, for `msrun`, which starts files and no commands. One process:

python tools/train.py recipes/thinker/stage1.yaml

Four on four devices of a host, over HCCL on Ascend and over mccl on a CPU:

msrun --worker_num=4 --local_worker_num=4 --join=True tools/train.py recipes/thinker/stage1.yaml
"""

import sys

from sfm_ms.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
