"""The spine: identify, admit, call, relay, settle. ``pipeline.py`` is the only file that knows the order."""
