"""A local Discord in the browser, for running the bot without a token. An optional extra; nothing imports it.

It puts simcord's in-memory backend (data model, permissions, REST routes) behind real sockets (REST, gateway, CDN) and
in real time, with a page and a control API.
"""
