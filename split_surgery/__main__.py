"""`python -m split_surgery` is the command `split-surgery`."""

from split_surgery.cli.main import main

main()
