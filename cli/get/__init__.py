"""`serin get`: all canaries as a table, one as a tree."""
