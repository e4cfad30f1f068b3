"""`python -m Tell2RegLib.cli`: the command without its script."""

from Tell2RegLib.cli.main import main

main()
