"""`python -m Tell2RegLib.cli`: the command without its script."""

from Tell2RegLib.cli.start import main

main()
