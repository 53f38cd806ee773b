"""Values of a YAML text replaced in place: comments, order and layout of all else stay, to the character.

ruamel.yaml says where every value begins and ends; its own way of writing a changed document back loses the comments
around replaced lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode


def edited(text: str, source: str, keys: Iterable[tuple[str, ...]]) -> str:
    """`text` with the values under `keys` written as they stand in `source`.

    A value on one line keeps the comment behind it in `text`; a list or mapping of several lines brings its own.

    Args:
        text, source: YAML documents, mappings; both have all the keys.
        keys: paths of keys, none inside another.
    """
    before, after = _compose(text), _compose(source)
    edits = [_edit(text, _find(before, key), source, _find(after, key)) for key in keys]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def commented(text: str, comments: Mapping[tuple[str, ...], str]) -> str:
    """`text` with other comments behind values: on the line on which a value ends, of a block on that of its key.

    Args:
        text: a YAML document, a mapping.
        comments: one line each, by the path of the key.
    """
    document = _compose(text)
    edits = []
    for path, comment in comments.items():
        key, value = _find(document, path)
        start = text.index(":", key.end_mark.index) + 1 if _is_block(value) else value.end_mark.index
        edits.append((start, _line_end(text, start), f" # {comment}"))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _compose(text: str) -> Node:
    document: Node = YAML(typ="safe").compose(text)  # by libyaml, where it is there: a sixth of the time
    return document


def _find(document: Node, key: tuple[str, ...]) -> tuple[Node, Node]:
    """The nodes of a key and of its value."""
    name = node = document
    for part in key:
        name, node = next((name, value) for name, value in node.value if name.value == part)
    return name, node


def _edit(text: str, old_nodes: tuple[Node, Node], source: str, new_nodes: tuple[Node, Node]) -> tuple[int, int, str]:
    """(start, end, new text) of one replacement."""
    (old_key, old), (new_key, new) = old_nodes, new_nodes
    new_text = source[new.start_mark.index : _end(source, new)] or "null"
    if _is_block(new):
        indent = old_key.start_mark.column + new.start_mark.column - new_key.start_mark.column
        first, *others = new_text.split("\n")
        shift = indent - new.start_mark.column
        new_text = "\n".join([" " * indent + first, *(_shifted(line, shift) for line in others)])
    if _is_block(old):
        after_colon = text.index(":", old_key.end_mark.index) + 1
        if _is_block(new):
            return text.rindex("\n", 0, old.start_mark.index) + 1, _end(text, old), new_text
        # Up to the key's own line, before the comment that may stand there.
        between = text[after_colon : old.start_mark.index].rstrip()
        return after_colon, _end(text, old), f" {new_text}{between}"
    after_colon = text.index(":", old_key.end_mark.index) + 1
    empty = old.start_mark.index == old.end_mark.index
    if _is_block(new):
        end = after_colon if empty else old.end_mark.index
        line_end = _line_end(text, end)
        return after_colon, line_end, f"{text[end:line_end]}\n{new_text}"
    if empty:
        return after_colon, after_colon, f" {new_text}"
    return old.start_mark.index, old.end_mark.index, new_text


def _is_block(node: Node) -> bool:
    return isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style


def _end(text: str, node: Node) -> int:
    """Where a value ends. ruamel lets a block end where the next token begins; here: with its last line."""
    if not _is_block(node):
        return node.end_mark.index
    while _is_block(node):
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return _line_end(text, node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _shifted(line: str, columns: int) -> str:
    """A line moved to the right or, as far as its indentation goes, to the left."""
    if not line.strip():
        return line
    spaces = len(line) - len(line.lstrip(" "))
    return " " * max(0, spaces + columns) + line.lstrip(" ")
