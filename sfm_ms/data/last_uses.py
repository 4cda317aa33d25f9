"""What came next the last time: after the same token, and after the same token behind the same one before it.

    self.width = width\\n        self.          recalled at the last ".": "width" after ".", "width" after "self."

These are edges of a program's graph between tokens, from a use of a word to its last one ("LastLexicalUse" of Allamanis et al.
2018, "Learning to Represent Programs with Graphs", section 3), followed by one step to the next token. They are told token by
token from what has been read so far, at a cost that does not grow with the text.
"""

from __future__ import annotations

NUM_RECALLED = 2  # tokens: by one token, by two
NEVER = -1  # there was no such place


class LastUses:
    """`feed` takes the next token of a text and says what is recalled at it, NUM_RECALLED tokens or NEVER."""

    def __init__(self):
        self.contexts = ()  # that the token before stood in: it, and the one before it with it
        self.next_of = {}

    def feed(self, token: int) -> tuple[int, int]:
        before = self.contexts[0] if self.contexts else NEVER
        self.next_of.update(dict.fromkeys(self.contexts, token))
        self.contexts = (token, (before, token))
        return tuple(self.next_of.get(context, NEVER) for context in self.contexts)
