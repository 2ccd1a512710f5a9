"""`python -m ncs_streamer` is `ncs`."""

import sys

from .cli import main

sys.exit(main())
