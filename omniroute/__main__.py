"""`python -m omniroute`: the same command as `omniroute`."""

from omniroute.cli.main import main

if __name__ == "__main__":
    main()
