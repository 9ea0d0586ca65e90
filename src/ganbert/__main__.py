"""`python -m ganbert` is `ganbert`."""

from ganbert.cli import main

if __name__ == "__main__":
    main()
