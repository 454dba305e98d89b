"""Arithmetic on arrays: scores, groups, initial values, and maps that compose.

In: numpy arrays and numbers. Out: arrays and numbers, equal on every machine.
Law: values that are only moved keep their bits; all else is float64, rounded once at the end.
Raises: UsageError, for a policy or an order that does not fit; NotExact, where no one map computes the same.
Must not know: files, layers, and where an array comes from.
"""
