"""The rules as named predicates, one module a topic.

A predicate is named so that it reads true when the act is allowed, takes a `Case` and returns the `Reason` against it
or None. The same predicate serves the refusal of a submission, the answer to a question and the audit.
"""
