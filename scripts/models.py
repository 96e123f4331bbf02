"""The models: what there is, fetching, checking, removing and converting them, and adding one's own, from the shell."""

import environment

environment.enter()

import sys

from cvmatte_core.commands import models

sys.exit(models.main())
