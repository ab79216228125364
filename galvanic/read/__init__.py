"""Read texts as people have them: plain text, books and pages, and chats of other programs."""
