"""The equations of the course, one file a chapter."""
