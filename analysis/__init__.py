"""Laws, fits, figures, tables, the report page."""
