"""Programs that run nets, each another implementation: name -> module with `run`."""

ENGINES = ("opencv", "caffe")
