"""The demo that install.py runs, and the throwaway OBS that it runs in. The tests and developers use that OBS too."""
