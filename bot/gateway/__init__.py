"""The way to Discord: connecting, the pace of requests, and its list of commands."""
