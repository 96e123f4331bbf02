"""The web page and the HTTP API, which scripts/serve.py starts. Needs the dependency group "web"."""
