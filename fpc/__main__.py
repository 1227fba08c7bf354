"""`python -m fpc` is the `fpc` command."""

from fpc.cli.main import main

main()
