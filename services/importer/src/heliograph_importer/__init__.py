"""Imports images from Google Drive, Dropbox and lists of URLs: lists folders, fetches files, keeps within quotas."""
