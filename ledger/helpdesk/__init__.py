"""The ticket desk, as the university's ticket guide describes it: requests by form, also of persons who are no
students, a number by mail, and one answer (docs/tickets.md)."""
