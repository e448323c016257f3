"""What a vision model tells about images: asked for, waited for, shown, and what it used."""
