"""Layers as differences from other layers, in text and in records alike, and the proof that they say what was meant."""
