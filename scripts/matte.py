"""Cut people out of a photo, or of a folder of photos, from the shell."""

import environment

environment.enter()

import sys

from cvmatte_core.commands import matte

sys.exit(matte.main())
