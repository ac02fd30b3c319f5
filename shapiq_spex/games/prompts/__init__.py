"""What a text consists of and how pieces of it are left out."""
