"""The Discord side: commands, cards, and the delivery of what jobs become."""
