"""Work that nobody wants or looks after."""
