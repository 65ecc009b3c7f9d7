"""Where tiles come from, and what is measured of the whole image beforehand."""
