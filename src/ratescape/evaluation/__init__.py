"""Measurements on trained models: one file a question, and a suite that asks them all."""
