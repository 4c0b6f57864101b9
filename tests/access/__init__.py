"""Who may see and do what: the sharing rules, asked of a running service from outside."""
