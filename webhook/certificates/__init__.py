"""Where the server's certificate comes from: Serin's own authority, or files that somebody else keeps."""
