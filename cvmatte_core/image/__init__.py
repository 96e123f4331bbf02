"""Decoding and encoding of pictures, any of which may be hostile."""
