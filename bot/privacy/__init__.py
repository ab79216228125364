"""What members say about learning from their messages, and what is held of them."""
