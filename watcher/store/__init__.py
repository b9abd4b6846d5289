"""The store: one database, its migrations, and how rows get in and out."""
