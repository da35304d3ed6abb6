"""README's walk on real hosts, as text that a shell runs."""

import os
import re

_README = os.path.join(os.path.dirname(__file__), "../../../README.md")


def _text():
    with open(_README, encoding="utf-8") as file:
        return file.read()


def block(name):
    """The script between <!-- name: begin --> and <!-- name: end -->."""
    found = re.findall(
        rf"^<!-- {name}: begin -->\n```sh\n(.*?)^```\n<!-- {name}: end -->$", _text(),
        re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"README has {len(found)} blocks {name}"
    return found[0]


def commands(title):
    """What stands at a root prompt below a headline, one command a string."""
    found = re.findall(rf"^###? {re.escape(title)}\n(.*?)^##", _text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"README has {len(found)} headlines {title}"
    return re.findall(r"^    # (.+)$", found[0], re.MULTILINE)


def replaced(text, old, new):
    """The text with the one place that has to differ in a test."""
    assert text.count(old) == 1, f"«{old}» is {text.count(old)} times in README's block"
    return text.replace(old, new)
