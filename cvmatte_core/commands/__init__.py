"""What is run from the shell: `cvmatte NAME`, or scripts/NAME.py of a checkout."""
