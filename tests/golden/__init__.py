"""Databases as a version of this program left them, and that later ones can take them over."""
