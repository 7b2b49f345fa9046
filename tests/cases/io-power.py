#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# proves: The machine is cut off four times while a guest writes and syncs: all that was acknowledged is on its disk, with each cache mode of an image, and where the guest has switched its cache off.
# seconds: 150
import sys

sys.path.insert(0, "tests/lib")
from power import power_cuts  # noqa: E402

power_cuts(4)
