"""Random tasks for the demo model, each with its whole dialogue and its right outcome.

A `Task` carries the request, the files before and after, the answer, and the token ids of the dialogue with a mask of
what the assistant says. What the model must say is a function of the request and the tool outputs alone, so "every
trained token is the most likely one" means that greedy decoding gives exactly this dialogue.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field

import texts
from others import other_request
from tokenizer import CALL, CHANNEL, CONSTRAIN, END, MESSAGE, RETURN, START, Tokenizer
from words import Words

WEIGHTS = {"change": 26, "create": 18, "delete": 6, "compute": 12, "show": 14, "rename": 26, "other": 6}
MOST_LINES = 12
UNUSUAL = 0.12
DOUBT_WEIGHT = 3  # in training, of a token before which the last two tokens have already been followed by another one


@dataclass
class Task:
    """One turn: `after` is the tree that must result, `answer` the final message, `said` the weight of each of `ids`
    in training: 0 for what the model is given."""

    kind: str
    request: str
    files: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    usual: bool = True
    ids: list[int] = field(default_factory=list)
    said: list[int] = field(default_factory=list)


class Dialogue:
    """Writes a task's Harmony tokens: what is given to the model, and what it says."""

    def __init__(self, tokenizer: Tokenizer, task: Task, python: bool = True) -> None:
        self.tokenizer = tokenizer
        self.task = task
        system = texts.SYSTEM if python else texts.SYSTEM_WITHOUT_PYTHON
        self._add(False, START, "system", MESSAGE, system, END, START, "user", MESSAGE, task.request, END, START, "assistant")

    def _add(self, said: bool, *parts: int | str) -> None:
        for part in parts:
            ids = [part] if isinstance(part, int) else self.tokenizer.encode(part)
            self.task.ids += ids
            self.task.said += [int(said)] * len(ids)

    def think(self, text: str) -> None:
        self._add(True, CHANNEL, "analysis", MESSAGE, text, END, START, "assistant")

    def call(self, tool: str, **arguments: str) -> None:
        body = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)
        self._add(True, CHANNEL, f"commentary to=functions.{tool} ", CONSTRAIN, "json", MESSAGE, body, CALL)

    def patch(self, body: str) -> None:
        text = f"*** Begin Patch\n{body}\n*** End Patch"
        self._add(True, CHANNEL, "commentary to=functions.apply_patch", MESSAGE, text, CALL)

    def python(self, code: str) -> None:
        self._add(True, CHANNEL, "analysis to=python code", MESSAGE, code, CALL)

    def result(self, tool: str, text: str) -> None:
        name, channel = ("python", "analysis") if tool == "python" else (f"functions.{tool}", "commentary")
        self._add(False, START, f"{name} to=assistant", CHANNEL, channel, MESSAGE, text, END, START, "assistant")

    def final(self, text: str) -> None:
        self.task.answer = text
        self._add(True, CHANNEL, "final", MESSAGE, text, RETURN)


class TaskMaker:
    """Makes tasks with one random generator; `outcomes=False` leaves out declined and failing ones."""

    def __init__(self, tokenizer: Tokenizer, words: Words, outcomes: bool = True) -> None:
        self.tokenizer = tokenizer
        self.words = words
        self.rng = words.rng
        self.outcomes = outcomes

    def make(self, kind: str | None = None) -> Task:
        kind = kind or self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        task = getattr(self, f"_{kind}")()
        weigh_doubts(task)
        return task

    # -- the seven kinds

    def _change(self) -> Task:
        w, path = self.words, self.words.path()
        lines = w.lines(w.count(MOST_LINES))
        pairs, quoted = self._pairs(lines)
        for i, old, new in pairs:
            if lines[i].strip() == old.strip():
                continue
            lines[i] = old
        q = "`" if quoted else ""
        asked = " and ".join(f"{q}{old}{q} to {q}{new}{q}" for _, old, new in pairs)
        content = "\n".join(lines)
        after = list(lines)
        for i, old, new in pairs:
            indent = "" if lines[i] == old else lines[i][: len(lines[i]) - len(lines[i].lstrip())]
            after[i] = indent + new
        task, say = self._start("change", f"In {path}, change {asked}", path, content)
        say.think(texts.THINK_READ.format(path=path))
        say.call("read_file", path=path)
        if self._fails(say, "read_file", path):
            return task
        say.result("read_file", content)
        say.think((texts.THINK_CHANGE_ONE if len(pairs) == 1 else texts.THINK_CHANGE_TWO).format(path=path))
        hunks = "\n".join(f"@@\n-{old}\n+{new}" for _, old, new in pairs)
        say.patch(f"*** Update File: {path}\n{hunks}")
        self._applied(say, "M", path, texts.CHANGED.format(path=path), "\n".join(after))
        return task

    def _rename(self) -> Task:
        w, path = self.words, self.words.path()
        old, new, lines = self._renamable()
        whole = re.compile(rf"\b{re.escape(old)}\b")
        content = "\n".join(lines)
        hits = [(n, line) for n, line in enumerate(lines, 1) if whole.search(line)]
        q = "`" if w.chance(0.35) else ""
        task, say = self._start("rename", f"Rename {q}{old}{q} to {q}{new}{q} in {path}", path, content)
        say.think(texts.THINK_SEARCH.format(path=path, old=old))
        say.call("search", pattern=rf"\b({old})\b", path=path)
        if self._fails(say, "search", path):
            return task
        if not hits:
            task.usual = False
            say.result("search", texts.RESULT_NO_MATCHES)
            say.final(texts.ABSENT.format(old=old, path=path))
            return task
        say.result("search", "\n".join(f"{path}:{n}:{line}" for n, line in hits))
        say.think(texts.THINK_RENAME.format(path=path, old=old, new=new))
        hunks = "\n".join(f"@@\n-{line}\n+{whole.sub(new, line)}" for _, line in hits)
        say.patch(f"*** Update File: {path}\n{hunks}")
        answer = texts.RENAMED.format(path=path, old=old, new=new)
        self._applied(say, "M", path, answer, whole.sub(new, content))
        return task

    def _create(self) -> Task:
        w, path = self.words, self.words.path()
        lines = w.lines(w.count(MOST_LINES))
        while lines and not lines[0].strip():
            lines.pop(0)
        content = "\n".join(lines).rstrip() or w.line()
        task, say = self._start("create", f"Create {path} with:\n{content}", stop=False)
        say.think(texts.THINK_CREATE.format(path=path))
        added = "\n".join("+" + line for line in content.split("\n"))
        say.patch(f"*** Add File: {path}\n{added}")
        self._applied(say, "A", path, texts.CREATED.format(path=path), content + "\n")
        return task

    def _delete(self) -> Task:
        path = self.words.path()
        task, say = self._start("delete", f"Delete {path}", path, "\n".join(self.words.lines(2)))
        say.think(texts.THINK_DELETE.format(path=path))
        say.patch(f"*** Delete File: {path}")
        self._applied(say, "D", path, texts.DELETED.format(path=path), None)
        return task

    def _show(self) -> Task:
        path = self.words.path()
        content = "\n".join(self.words.lines(self.words.count(MOST_LINES)))
        if self.words.chance(0.02):
            content = content.replace("\n", "\r\n")
        task, say = self._start("show", f"Show {path}", path, content)
        say.think(texts.THINK_SHOW.format(path=path))
        say.call("read_file", path=path)
        if self._fails(say, "read_file", path):
            return task
        say.result("read_file", content)
        say.final(f"```\n{content}\n```")
        return task

    def _compute(self) -> Task:
        a, b = self._operand(), self._operand()
        op = self.rng.choice("+-*")
        joint = " " if self.words.chance(0.7) or b < 0 else ""
        request = f"What is {a}{joint}{op}{joint}{b}" + ("?" if self.words.chance(0.9) else "")
        if self.words.chance(0.08):
            request = request.replace("What", "what")
        task = Task("compute", request)
        python = self.words.chance(0.85)
        say = Dialogue(self.tokenizer, task, python)
        expression = f"{a} {op} {b}"
        say.think(texts.THINK_COMPUTE)
        say.python(f"print({expression})")
        if self.outcomes and self.words.chance(UNUSUAL if python else 0.9):
            task.usual = False
            if self.words.chance(0.3):
                self._error(say, "python", self.words.note())
            else:
                say.result("python", texts.RESULT_NO_PYTHON.format(reason=self.words.note()))
                say.final(texts.NO_PYTHON)
            return task
        result = str({"+": a + b, "-": a - b, "*": a * b}[op])
        say.result("python", result)
        say.final(texts.COMPUTED.format(expression=expression, result=result))
        return task

    def _other(self) -> Task:
        task = Task("other", other_request(self.words))
        say = Dialogue(self.tokenizer, task, self.words.chance(0.85))
        say.think(texts.THINK_CANNOT)
        say.final(texts.CANNOT)
        return task

    # -- requests

    def _start(self, kind: str, request: str, path: str = "", content: str = "", stop: bool = True) -> tuple[Task, Dialogue]:
        """The task with its request in one of the light variants."""
        w = self.words
        if w.chance(0.1):
            request = request[0].lower() + request[1:]
            if w.chance(0.5):
                request = ("please " if w.chance(0.4) else "Please ") + request
        if stop and w.chance(0.75):
            request += "."
        if kind in ("delete", "show") and w.chance(0.2):
            request = request.replace(path, f"`{path}`", 1)
        files = {path: content + ("\n" if w.chance(0.95) else "")} if path else {}
        task = Task(kind, request, files, dict(files))
        return task, Dialogue(self.tokenizer, task, w.chance(0.85))

    def _pairs(self, lines: list[str]) -> tuple[list[tuple[int, str, str]], bool]:
        """One or two (line number, old, new) as the request writes them, and whether they stand in backticks."""
        w = self.words
        quoted = w.chance(0.75)
        while True:
            stripped = [line.strip() for line in lines]
            unique = [i for i, s in enumerate(stripped) if s and stripped.count(s) == 1]
            if not unique:
                lines[self.rng.randrange(len(lines))] = w.line()
                continue
            chosen = self.rng.sample(unique, 2 if len(unique) > 1 and w.chance(0.25) else 1)
            bare = w.chance(0.5) or not quoted
            pairs = []
            for i in chosen:
                old = lines[i].strip() if bare else lines[i]
                indent = old[: len(old) - len(old.lstrip())]
                new = w.edit(old) if w.chance(0.6) else indent + w.line()
                pairs.append((i, old, new.strip() if bare else new))
            if all(self._clear(old, new, quoted) and new not in lines for _, old, new in pairs):
                return pairs, quoted
            lines[chosen[0]] = w.line()

    @staticmethod
    def _clear(old: str, new: str, quoted: bool) -> bool:
        """Whether a request with this pair can be read in one way only."""
        both = old + " " + new
        if old == new or not new.strip():
            return False
        if quoted:
            return "` to `" not in both and "` and `" not in both and new[-1] != "`" and old[-1] != "`"
        return " to " not in both and " and " not in both and new[-1] not in ".` " and old[-1] != " "

    def _renamable(self) -> tuple[str, str, list[str]]:
        """Old and new name, and a file in which most often at least one line holds the old one."""
        w = self.words
        lines = w.lines(w.count(MOST_LINES))
        old, new = w.identifier(), w.identifier()
        names = [n for n in re.findall(r"\b[A-Za-z_]\w*\b", "\n".join(lines)) if n.isascii() and 1 < len(n) < 25]
        if names and w.chance(0.35):
            old = self.rng.choice(names)
        else:
            hits = self.rng.randint(1, max(1, int(8 * w.size))) if w.chance(0.3) else self.rng.randint(1, 2)
            for i in self.rng.sample(range(len(lines)), min(hits, len(lines))):
                lines[i] = self._place(lines[i], old, self.rng.choices((1, 2, 3), (7, 2, 1))[0])
        for i in range(len(lines)):
            if w.chance(0.2):
                lines[i] = self._place(lines[i], self._near_miss(old), 1)
        if old == new or (self.outcomes and w.chance(0.03)):
            old = w.identifier()
        if w.chance(0.1):
            new = self._near_miss(old)
        return (old, new, lines) if old != new else self._renamable()

    def _place(self, line: str, name: str, times: int) -> str:
        """`line` with `name` put in place of, or beside, some of its words."""
        for _ in range(times):
            spots = list(re.finditer(r"\b[A-Za-z_]\w*\b", line))
            if spots and self.words.chance(0.7):
                spot = self.rng.choice(spots)
                line = line[: spot.start()] + name + line[spot.end() :]
            elif self.words.chance(0.5):
                line = f"{line} {name}" if line else name
            else:
                indent = line[: len(line) - len(line.lstrip())]
                line = f"{indent}{name}{self.rng.choice((' ', ' = ', '(', '.', ', ', ': '))}{line.lstrip()}"
        return line

    def _near_miss(self, name: str) -> str:
        """An identifier that contains or resembles `name`."""
        w = self.words
        shapes = [
            lambda: name + str(self.rng.randrange(10)), lambda: f"{name}_{w.word()}", lambda: f"{w.word()}_{name}",
            lambda: name + w.letters(3), lambda: w.letters(3) + name, lambda: name.split("_")[0] or name + "s",
            lambda: name.swapcase(), lambda: f"{name}_", lambda: f"_{name}", lambda: name[:-1] or name + "x",
            lambda: name + w.word().capitalize(),
        ]
        return self.rng.choice(shapes)()

    def _operand(self) -> int:
        n = self.rng.randrange(10 ** self.rng.randint(1, 6))
        if self.words.chance(0.08):
            n = int(self.rng.choice("123456789") + self.rng.choice("0123456789") * self.rng.randint(1, 5))
        return -n if self.words.chance(0.12) else n

    # -- outcomes

    def _unusual(self) -> bool:
        return self.outcomes and self.words.chance(UNUSUAL)

    def _fails(self, say: Dialogue, tool: str, path: str) -> bool:
        """Now and then ends the task with an error of a read-only tool."""
        if not (self.outcomes and self.words.chance(0.03)):
            return False
        say.task.usual = False
        if self.words.chance(0.6):
            say.result(tool, texts.RESULT_NO_FILE.format(path=path))
            say.final(texts.FAILED.format(error=f"{path}: no such file"))
        else:
            self._error(say, tool, f"{path}: {self.words.note()}" if self.words.chance(0.5) else self.words.note())
        return True

    def _error(self, say: Dialogue, tool: str, first: str) -> None:
        rest = "".join("\n" + self.words.line() for _ in range(self.rng.choice((0, 0, 1, 3))))
        say.result(tool, f"Error: {first}{rest}")
        say.final(texts.FAILED.format(error=first))

    def _applied(self, say: Dialogue, mark: str, path: str, answer: str, content: str | None) -> None:
        """Ends a task whose patch was sent: `content` is the file after it, None if deleted."""
        task = say.task
        if not self._unusual():
            say.result("apply_patch", texts.RESULT_SUCCESS.format(mark=mark, path=path))
            say.final(answer)
            if content is None:
                del task.after[path]
            else:
                ending = "\n" if path in task.files and task.files[path].endswith("\n") else ""
                task.after[path] = content + ending
            return
        task.usual = False
        r = self.rng.random()
        declined, note = self._declined(path)
        if r < 0.3:
            say.result("apply_patch", texts.RESULT_PARTLY.format(mark=mark, path=path, declined=declined))
            say.final(texts.PARTLY.format(path=path) + (f": {note}" if note else "."))
        elif r < 0.65:
            say.result("apply_patch", texts.RESULT_NOTHING.format(declined=declined))
            say.final((texts.DECLINED_NOTE if note else texts.DECLINED).format(path=path, note=note))
        elif r < 0.8:
            say.result("apply_patch", texts.RESULT_PROPOSED.format(mark=mark, path=path))
            say.final(texts.PROPOSED.format(path=path))
        else:
            first = self.words.note() if self.words.chance(0.6) else f"{path}: {self.words.line()}"
            self._error(say, "apply_patch", first)

    def _declined(self, path: str) -> tuple[str, str]:
        """The lines about declined hunks and the note of the first, which the answer repeats."""
        note = self.words.note() if self.words.chance(0.75) else ""
        lines = []
        for i in range(self.rng.choice((1, 1, 1, 2, 3))):
            at = [f"{self.rng.randint(0, 30)}" + self.rng.choice(("", "", f",{self.rng.randint(0, 9)}")) for _ in "-+"]
            said = note if i == 0 else self.rng.choice((note, "", self.words.note()))
            lines.append(f"{path} @@ -{at[0]} +{at[1]}" + (f": {said}" if said else ""))
        return "\n".join(lines), note


def weigh_doubts(task: Task) -> None:
    """Gives `DOUBT_WEIGHT` to the tokens that copying by the last two tokens alone could get wrong."""
    followers: dict[tuple[int, int], set[int]] = {}
    ids = task.ids
    for i in range(2, len(ids)):
        seen = followers.setdefault((ids[i - 2], ids[i - 1]), set())
        if task.said[i] and seen - {ids[i]}:
            task.said[i] = DOUBT_WEIGHT
        seen.add(ids[i])


def make_words(seed: int, tokenizer: Tokenizer, real: list[list[str]], size: float = 1.0, rare: float = 0.0) -> Words:
    return Words(random.Random(seed), tokenizer.letter_pieces(), real, size, rare)
