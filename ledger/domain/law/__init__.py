"""The law, one module a chapter of the guides.

A chapter reads from top to bottom: what the book gives it (windows, prices, tables), what a fact changes (handlers),
what time and money bring, what it forbids (predicates). `catalogue` says on one page which fact, day, charge and act
asks which of them;
`consequences` asks them and knows no rule.

A predicate is named so that it reads true when the act is allowed, takes a `Case` and returns the `Reason` against it
or None. The same predicate serves the refusal of a submission, the answer to a question and the audit.
"""
