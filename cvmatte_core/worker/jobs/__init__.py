"""What the worker can be asked for: a module for each subject, a class for each kind of job; see job.py."""
