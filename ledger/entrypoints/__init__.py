"""How a submission or a question arrives: the command line."""
