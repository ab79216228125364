"""Read texts as people have them: plain text, books and pages, and chats of other programs.

To add a chat's format, write a module with a `chat.ChatFormat` or `chat.FolderFormat`, list it in `formats.CHATS` or
`formats.FOLDERS`, and add a row to docs/usage/chats.md. `entries` reads JSON, `lines.log_entries` a log, and `fields`
names and dates.
"""
