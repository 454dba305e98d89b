"""A net as Caffe sees it: layers, states, parameters, shapes, and what a text means."""
