"""``python -m cli``, which `mesh` runs."""

from cli.app import app

if __name__ == "__main__":
    app(prog_name="mesh")
