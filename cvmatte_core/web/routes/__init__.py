"""The addresses of the web page and of the HTTP API, a module for each part of them."""
