"""`python -m sfm_ms` is the `sfm` command, also in a checkout that is not installed."""

import sys

from sfm_ms.cli import main

sys.exit(main())
