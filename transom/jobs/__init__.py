"""Work that outlasts a request, as jobs that any worker process can run."""
