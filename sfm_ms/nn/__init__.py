"""Small Cells, one idea a file."""
