"""Reports as a person reads them: what `print(report)` and the terminal show, line by line."""
