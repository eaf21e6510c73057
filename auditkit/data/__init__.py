"""Reading data: files, splits, batches and what is known of every column."""
