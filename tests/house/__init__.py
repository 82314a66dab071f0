"""What holds of the repository itself: how it is built, installed and shipped."""
