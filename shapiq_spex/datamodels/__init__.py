"""Tables of retrainings recovered: tens of thousands of players, order 2 by screening."""

from .table import RetrainingTable, from_retrainings

__all__ = ["RetrainingTable", "from_retrainings"]
