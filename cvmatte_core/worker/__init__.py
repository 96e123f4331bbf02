"""The separate process that does the matting, and the client through which OBS uses it."""
