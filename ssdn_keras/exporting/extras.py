"""Optional packages that a format needs."""

import importlib.util


def require(extra, packages):
    """Check that the packages of an extra of setup.py are installed.

    Raises:
        ValueError: one is not; the message says how to install them.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"needs the package {', '.join(missing)}: pip install 'ssdn_keras[{extra}]'")
