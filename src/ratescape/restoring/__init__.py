"""Damaged images restored by a model: missing pixels, noise, images that are too small."""
