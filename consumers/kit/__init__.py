"""What every service shares: the loop over the topics, the order of events, the command line, metrics."""
