"""The web page and the HTTP API."""

import environment

environment.enter()

import sys

from cvmatte_core.commands import serve

sys.exit(serve.main())
