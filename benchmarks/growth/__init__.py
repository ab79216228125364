"""What a message, a text, a training and a server cost, and how the queue behaves with many of them."""
