"""Encoder, decoder and sampler of a model as programs that run without this package."""
