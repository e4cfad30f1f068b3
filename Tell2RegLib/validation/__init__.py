"""How well registrations map what the fit never saw, beside the simplest maps, summarised over patients.

baselines   no registration, the centre moved, the centre moved and the size matched
scores      errors of landmarks and true regions of a case under each of its transforms
statistics  means over patients with bootstrap intervals
summary     measures of all cases, of groups of cases, and the losses against the baselines
tables      the summary in words
plots       the same as pictures (matplotlib)
folder      what `tell2reg validate` writes
"""
