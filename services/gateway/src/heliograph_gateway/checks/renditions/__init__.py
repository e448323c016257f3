"""Rows of renditions compared with objects under ``renditions/``."""
