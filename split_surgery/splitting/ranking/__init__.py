"""What training has left of kernels, found in files and measured."""
