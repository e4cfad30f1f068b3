"""Calibration: the usual linear offset between two kinds of scan, learned from a site's own cases.

evidence   what one case says of the offset: its regions, and its landmarks where it has any
offset     mean and covariance of the offset over patients, by expectation maximisation
choice     which of them help on patients left out
model      the calibration as a value, its file, and the check against the regions at hand
"""
