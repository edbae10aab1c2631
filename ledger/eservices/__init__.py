"""The nine e-services that the state asks of every university (IFS01 to IFS09): what each answers, from the events, the
opened registration of a person and the reference data.

`contracts/` holds the published files, unchanged (`SHA256SUMS`). What they leave open is read as the table of decision
0023 says, whose entries (IFS-1 ...) stand where the code takes them.
"""
