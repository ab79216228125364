"""A local Discord in the browser, for running the bot without a token. An optional extra; nothing imports it.

Its data model, permissions and REST routes are simcord's in-memory backend. This package puts that backend
behind real sockets (REST, gateway, CDN), in real time, and gives it a page and a control API.
"""
