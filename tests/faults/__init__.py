"""What becomes of answered writes when processes, databases and disks fail, and when many clients meet."""
