"""PagerDuty's Events API: what is sent, and the drivers that send it."""
