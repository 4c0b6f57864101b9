"""What the pages ask and show, a module for each subject."""
