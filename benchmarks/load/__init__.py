"""Put a load on the product: many people ask for trainings and texts, and each request is followed to its end."""
