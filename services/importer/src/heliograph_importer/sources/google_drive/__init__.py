"""Google Drive, version 3 of its API: folders that anyone with the link can view, by an API key; private ones and shared
drives, by a service account or a user's OAuth token."""

from heliograph_importer.sources.google_drive.provider import GoogleDrive

__all__ = ["GoogleDrive"]
