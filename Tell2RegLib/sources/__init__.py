"""Where regions come from: one file per source, each turning what it reads or finds into a tuple of `Region`.

Whatever the source, its regions lie on the volume's grid and carry a name, and where the source knows them a prompt,
a score and a colour. Everything after it (matching, fit, report) is the same for all sources.
"""
