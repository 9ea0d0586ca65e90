"""The formats of tables, each with its reader and its writer."""
