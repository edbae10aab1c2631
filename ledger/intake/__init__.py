"""From Kafka to the log: submissions of other systems, each with its outcome."""
