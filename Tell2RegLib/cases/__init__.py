"""Cases: two volumes and what belongs to them, as the rows of one table; which of them share patients.

columns   the columns of a table: files, and the options of `register`
table     reads a table and reports all its faults at once
groups    cases that share a patient, and splits that never separate them
contents  the files of a case as values, with its truth apart
"""
