"""The command `tell2reg`: options in, calls of the workflows, tables or JSON out."""
