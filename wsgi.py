"""What a WSGI server and the `flask` command load."""

from notify_app import create_app

app = create_app()
