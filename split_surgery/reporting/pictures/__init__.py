"""Drawings by matplotlib, which nothing else imports."""

from split_surgery.errors import Missing


def need_matplotlib() -> None:
    """Raises: Missing, where it is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise Missing("drawing needs matplotlib, which is not installed", hint="pip install matplotlib") from error
