"""Open inboxes: announcements on Redis, the fan-out in each web process, and what a stream missed read from the database."""
