"""The part of Python's pickle format that state dicts are written in.

A pickle is a program. This reads one without importing, calling or building what it names, and each of its steps takes
memory in proportion to its bytes. Python's own reader does neither: one number can make it reserve gigabytes.
"""

import struct
from typing import NamedTuple

__all__ = ["LARGEST_PICKLE", "Global", "Unread", "unpickle"]

#: Bytes. A state dict has about 200 for each tensor, whose numbers are elsewhere.
LARGEST_PICKLE = 2**21
_MOST_STEPS = 250_000  # about 35 for each tensor

_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
_BOOLEANS = {"00": False, "01": True}  # numbers have no leading zero
_LONGEST_DECIMAL = 100  # characters
_NUMBERS = {b"J": "<i", b"K": "<B", b"M": "<H", b"G": ">d"}
_TEXTS = {b"X": "<L", b"\x8c": "<B", b"\x8d": "<Q", b"T": "<L", b"U": "<B"}  # the last two are Python 2's
_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
_IGNORED = {b"\x80": 1, b"\x95": 8}  # the version, and the length of what follows: how many bytes to skip
_PUTS, _GETS = {b"q": "<B", b"r": "<L"}, {b"h": "<B", b"j": "<L"}


class Unread(ValueError):
    """What is not read, as a clause."""


class Global(NamedTuple):
    """A name that a pickle wants to be imported."""

    module: str
    name: str


def unpickle(content, position, build, find):
    """The value of a pickle that begins at a position, and the position behind it.

    Parameters
    ----------
    content : bytes
    position : int
    build : callable
        Takes a :class:`Global` that the pickle calls and a tuple of its arguments, and gives the result.
    find : callable
        Takes the tuple that stands for something outside the pickle, and gives that.

    Raises
    ------
    Unread
        If the pickle does anything else, or ends early.
    ValueError, IndexError, KeyError, TypeError, struct.error
        If it is damaged in other ways.
    """
    machine = _Machine(content, position, build, find)
    for _ in range(_MOST_STEPS):
        step = machine.take(1)
        if step == b".":
            return machine.stack[-1], machine.position
        machine.run(step)
    raise Unread("it takes more steps than a state dict needs")


def _decimal(line):
    """The number, or the boolean, in a line."""
    if line in _BOOLEANS:
        return _BOOLEANS[line]
    if len(line) > _LONGEST_DECIMAL:  # which Python would take long to read
        raise ValueError("it has a number that is too long")
    return int(line.rstrip("L"))


class _Machine:
    def __init__(self, content, position, build, find):
        self.content, self.position, self.build, self.find = content, position, build, find
        self.stack, self.marks, self.memo = [], [], {}

    def take(self, count):
        begin, self.position = self.position, self.position + count
        if self.position > len(self.content):
            raise Unread("it ends early")
        return self.content[begin : self.position]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def run(self, step):
        push = self.stack.append
        if step in _CONSTANTS:
            push(_CONSTANTS[step])
        elif step in _NUMBERS:
            push(self.number(_NUMBERS[step]))
        elif step in _TEXTS:
            push(self.take(self.number(_TEXTS[step])).decode())
        elif step == b"\x8a":
            push(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif step in (b"I", b"L"):  # in decimal, as pickle's protocol 1 writes booleans and large numbers
            push(_decimal(self.line()))
        elif step in _PUTS:
            self.memo[self.number(_PUTS[step])] = self.stack[-1]
        elif step == b"\x94":
            self.memo[len(self.memo)] = self.stack[-1]
        elif step in _GETS:
            push(self.memo[self.number(_GETS[step])])
        elif step in _IGNORED:
            self.take(_IGNORED[step])
        else:
            self.make(step)

    def make(self, step):
        """Take a step that makes a value of others or changes one."""
        pop, push = self.stack.pop, self.stack.append
        if step == b"(":
            self.marks.append(len(self.stack))
        elif step == b"}":
            push({})
        elif step == b"]":
            push([])
        elif step == b"t":
            push(tuple(self.since_mark()))
        elif step in _TUPLES:
            values = self.stack[-_TUPLES[step] :]
            del self.stack[-_TUPLES[step] :]
            push(tuple(values))
        elif step in (b"s", b"u"):
            values = self.since_mark() if step == b"u" else [pop(), pop()][::-1]
            self.set_items(self.stack[-1], values)
        elif step in (b"a", b"e"):
            values = self.since_mark() if step == b"e" else [pop()]
            list.extend(self.stack[-1], values)  # not .extend, so that anything but a list is refused
        elif step in (b"c", b"\x93"):
            name = [self.line(), self.line()] if step == b"c" else [pop(), pop()][::-1]
            if not all(isinstance(part, str) for part in name):
                raise Unread("it has a name that is no text")
            push(Global(*name))
        elif step == b"R":
            arguments, called = pop(), pop()
            if not isinstance(called, Global) or not isinstance(arguments, tuple):
                raise Unread("it calls what it made")
            push(self.build(called, arguments))
        elif step == b"Q":
            push(self.find(pop()))
        elif step == b"b":
            pop()  # the versions of PyTorch's layers, as an attribute of the dict
            if not isinstance(self.stack[-1], dict):
                raise Unread("it holds an object")
        else:
            raise Unread("it takes a step that no state dict needs, so it is damaged, or holds more than weights")

    def since_mark(self):
        mark = self.marks.pop()
        values = self.stack[mark:]
        del self.stack[mark:]
        return values

    def set_items(self, target, values):
        for key, value in zip(values[::2], values[1::2]):
            if not isinstance(key, (str, int)):  # the hash of nested tuples can overflow C's stack
                raise Unread("it has a name that is no text")
            dict.__setitem__(target, key, value)  # not target[key], so that anything but a dict is refused

    def line(self):
        end = self.content.index(b"\n", self.position)
        return self.take(end - self.position + 1)[:-1].decode()
