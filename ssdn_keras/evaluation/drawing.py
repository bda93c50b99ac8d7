"""Matplotlib figures as files and in pages."""

import io

import matplotlib

from ssdn_keras.atomic import write_atomically


def save(figure, path):
    """Write a figure as PNG."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=150))


def svg(figure):
    """A figure as SVG text for a page."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "ssdn_keras"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    content = text.getvalue()
    return content[content.index("<svg") :]
