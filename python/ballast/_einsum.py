"""Einstein's sums."""

from __future__ import annotations

from ._core import Tensor


def _labels(text: str, rank: int, broadcast: int) -> list:
    """Labels of an operand's dimensions; an ellipsis stands for the last of `broadcast` numbers."""
    letters = text.replace("...", "")
    if not all(c.isalpha() and c.isascii() for c in letters):
        bad = next(c for c in letters if not (c.isalpha() and c.isascii()))
        raise RuntimeError(
            f"einsum(): invalid subscript given at index {text.index(bad)} in the equation string, "
            "subscripts must be in [a-zA-Z]"
        )
    head, dots, tail = text.partition("...")
    hidden = rank - len(letters)
    if hidden < 0 or (hidden > 0 and not dots):
        raise RuntimeError(
            "einsum(): the number of subscripts in the equation "
            f"({len(letters)}) does not match the number of dimensions ({rank}) for an operand and "
            "no ellipsis was given"
            if hidden > 0
            else "einsum(): the number of subscripts in the equation "
            f"({len(letters)}) is more than the number of dimensions ({rank}) of an operand"
        )
    return [*head, *range(broadcast - hidden, broadcast), *tail]


def _diagonals(x: Tensor, labels: list) -> tuple[Tensor, list]:
    """Take the diagonal of dimensions with one label."""
    for label in list(dict.fromkeys(labels)):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for one operand, but the sizes do "
                    f"not match: {x.shape[second]} != {x.shape[first]}"
                )
            x = x.diagonal(0, first, second)
            labels = [n for i, n in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _summed(x: Tensor, labels: list, kept: set) -> tuple[Tensor, list]:
    dims = [i for i, n in enumerate(labels) if n not in kept]
    if not dims:
        return x, labels
    return x.sum(dims), [n for n in labels if n in kept]


def _arranged(x: Tensor, labels: list, order: list) -> Tensor:
    return x.permute(*(labels.index(n) for n in order)) if labels != order else x


def _contract(a, a_labels: list, b, b_labels: list, kept: set) -> tuple[Tensor, list]:
    """One matrix product for each of the labels that both have and the result keeps."""
    sizes = {}
    for t, labels in ((a, a_labels), (b, b_labels)):
        for label, n in zip(labels, t.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {n} for an operand which does not "
                    f"broadcast with previously seen size {sizes[label]}"
                )

    def widened(t, labels):
        wanted = [sizes[n] if n in common else s for n, s in zip(labels, t.shape, strict=True)]
        return t.expand(*wanted) if list(t.shape) != wanted else t

    common = set(a_labels) & set(b_labels)
    a, b = widened(a, a_labels), widened(b, b_labels)
    batch = [n for n in a_labels if n in common and n in kept]
    inner = [n for n in a_labels if n in common and n not in kept]
    left = [n for n in a_labels if n not in common]
    right = [n for n in b_labels if n not in common]

    def count(labels):
        total = 1
        for n in labels:
            total *= sizes[n]
        return total

    rows = _arranged(a, a_labels, batch + left + inner)
    columns = _arranged(b, b_labels, batch + inner + right)
    product = rows.reshape(count(batch), count(left), count(inner)).bmm(
        columns.reshape(count(batch), count(inner), count(right))
    )
    order = batch + left + right
    return product.reshape(*(sizes[n] for n in order)), order


def einsum(equation: str, *operands) -> Tensor:
    """Sum products of tensors over the labels that the result does not name.

    Parameters
    ----------
    equation : str
        Labels of every operand's dimensions, and perhaps of the result's: ``"ij,jk->ik"``. An
        ellipsis stands for dimensions that broadcast.
    *operands : Tensor
        The tensors, or one list of them.

    Returns
    -------
    Tensor
        Without ``->``, the result has the labels that occur once, in the alphabet's order.
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum(): equation must be a string, got {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum(): must specify the equation string and at least one operand")
    wrong = [type(x).__name__ for x in operands if not isinstance(x, Tensor)]
    if wrong:
        raise TypeError(f"einsum(): operands must be tensors, got {wrong[0]}")
    left, arrow, result = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        fewer = "fewer" if len(texts) > len(operands) else "more"
        raise RuntimeError(
            f"einsum(): {fewer} operands were provided than specified in the equation"
        )
    hidden = [x.dim() - len(t.replace("...", "")) for t, x in zip(texts, operands, strict=True)]
    broadcast = max(h if "..." in t else 0 for h, t in zip(hidden, texts, strict=True))
    terms = [
        _diagonals(x, _labels(t, x.dim(), broadcast)) for t, x in zip(texts, operands, strict=True)
    ]
    everything = [n for t in texts for n in t.replace("...", "")]
    if arrow:
        output = _labels(
            result, len(result.replace("...", "")) + broadcast * ("..." in result), broadcast
        )
        for n in output:
            if output.count(n) > 1:
                raise RuntimeError(
                    f"einsum(): output subscript {n} appears more than once in the output"
                )
            if isinstance(n, str) and n not in everything:
                raise RuntimeError(
                    f"einsum(): output subscript {n} does not appear in the equation for any input "
                    "operand"
                )
    else:
        once = sorted(n for n in set(everything) if everything.count(n) == 1)
        output = [*range(broadcast), *once]
    x, labels = terms[0]
    for i, (y, others) in enumerate(terms[1:], 1):
        later = {n for _, names in terms[i + 1 :] for n in names} | set(output)
        x, labels = _summed(x, labels, later | set(others))
        y, others = _summed(y, others, later | set(labels))
        x, labels = _contract(x, labels, y, others, later)
    x, labels = _summed(x, labels, set(output))
    return _arranged(x, labels, output)
