"""Rows of images compared with objects under ``originals/``."""
