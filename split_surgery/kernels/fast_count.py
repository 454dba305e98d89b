"""How many kernels of a layer are fast. (Free of numpy: the options are read with it, and --help loads them.)"""

from __future__ import annotations

import re

from split_surgery.errors import OptionError, UsageError

_SHARE = re.compile(r"(\d+)(?:\.(\d+))?%")


def check_fast(policy: str) -> None:
    """Raises: OptionError, where it is no policy, whatever the layer."""
    if len(policy) > 20 or not (policy == "half" or policy.isdecimal() or _SHARE.fullmatch(policy)):
        value = policy if len(policy) <= 20 else f"{policy[:20]}..."
        share = re.fullmatch(r"0?\.(\d{1,2})", policy)
        hint = f"{policy} of them is {int(share[1].ljust(2, '0'))}%" if share else ""
        raise OptionError("fast", "must be a whole number of kernels (16), a share (50%), or half", value, hint)


def fast_count(policy: str, count: int) -> int:
    """How many of `count` kernels are fast: `half` (floor), a number, or a percentage (rounds half up).

    Raises:
        UsageError: not such a policy, or a group would be empty.
    """
    check_fast(policy)
    if policy == "half":
        fast = count // 2
    elif match := _SHARE.fullmatch(policy):
        # In whole numbers: 0.5 must round up, whatever its binary fraction is.
        scale = 100 * 10 ** len(match[2] or "")
        fast = (2 * count * int(match[1] + (match[2] or "")) + scale) // (2 * scale)
    else:
        fast = int(policy)
    if not 0 < fast < count:
        empty = "fast" if fast == 0 else "slow"
        many = f"{count} kernels" if count != 1 else "one kernel"
        raise UsageError(f"--fast {policy} of {many} makes {fast} fast: the {empty} group would be empty" if fast <= count
                         else f"--fast {policy} is more than the layer's {many}")  # fmt: skip
    return fast
