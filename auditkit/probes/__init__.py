"""What runs the model and leaves evidence."""
