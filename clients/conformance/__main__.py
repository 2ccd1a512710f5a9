"""Hold the SDKs to the suite: `make conformance`, or python clients/conformance."""

import sys

from ncs_conformance.command import main

sys.exit(main())
