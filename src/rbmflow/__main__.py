"""`python -m rbmflow`."""

import sys

from rbmflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
