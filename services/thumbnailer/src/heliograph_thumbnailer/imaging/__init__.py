"""From the bytes of an original to its renditions. Pure but for the codecs; runs in the render child."""
