"""The write path: from a submission to a recorded event."""
