"""What models said about pixels: asked once, whoever wants to know, and kept."""
