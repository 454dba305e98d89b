"""Caffe's logs: read, arranged into trainings, and told in tables."""
