"""What is looked at, a file a subject: each check reads what it needs, and tells what it found."""
