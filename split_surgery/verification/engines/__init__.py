"""Programs that run nets, each another implementation; a module for each has a function `run`."""

ENGINES = ("opencv", "caffe")
