"""`python -m cloison`: the command."""

from cloison.interpreter import check_version

check_version()

from cloison.entry import main  # noqa: E402  # an old Python cannot read it

if __name__ == "__main__":
    main()
