"""Open inboxes: announcements on Redis, the streams of each web process and their sockets, and what a stream missed."""
