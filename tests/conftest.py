from __future__ import annotations

from properties import use_profile

use_profile()
