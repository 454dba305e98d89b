"""Drawings by matplotlib, which nothing else imports."""
