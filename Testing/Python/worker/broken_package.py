"""A package that is installed, but whose libraries do not load."""

raise OSError("libexample.so.1: cannot open shared object file")
