"""Which tokens of a piece of text belong to which statement, as matrices of ones and zeros to multiply with.

A piece completes up to S statements. The first may have begun in the piece before, and tokens after the last one's end belong to
one that is not complete yet: so there are S + 1 places, and tokens are at the place of the statement that they are part of.

Shapes: B rows, T tokens, S statements that are complete in this piece, R = S + 1 places.
"""

from __future__ import annotations

from mindspore import dtype as mstype
from mindspore import ops


def places(operand_BT, ends_BT, num_statements: int):
    """-> member (B, R, T), is_unfinished (B, R), hears (B, T, R), is_statement (B, S).

    operand: 0 or more at the tokens of statements, negative at comments and padding. ends: 1 at the tokens that complete a
    statement, at most `num_statements` of them, else 0.
    member: 1 where a token is part of a place's statement. is_unfinished: 1 at the place of the statement that goes on in the
    next piece. hears: 1 where place r - 1 has the last statement that is complete with token t; r = 0 is for the pieces before.
    is_statement: 1 at places that have a complete statement.
    """
    in_statement_BT1 = (operand_BT >= 0).astype(mstype.float32).expand_dims(2)
    complete_BT = ops.cumsum(ends_BT, 1)
    place_BT = complete_BT - ends_BT
    count_B1 = complete_BT[:, -1:]
    places_R = ops.arange(num_statements + 1).astype(mstype.float32)
    hears_BTR = same(complete_BT.expand_dims(2), places_R)
    member_BTR = same(place_BT.expand_dims(2), places_R) * in_statement_BT1
    is_statement_BS = (places_R[:num_statements] < count_B1).astype(mstype.float32)
    return member_BTR.transpose(0, 2, 1), same(count_B1, places_R), hears_BTR, is_statement_BS


def same(left, right):
    return (left == right).astype(mstype.float32)
