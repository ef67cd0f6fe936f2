"""``python -m symbackprop`` and the console script."""

import signal

# Until the command runs and can tidy up after itself, an interruption simply ends the process, without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from symbackprop.cli import main  # noqa: E402 - after the line above

if __name__ == "__main__":
    main()
