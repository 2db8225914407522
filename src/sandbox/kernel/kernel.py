# The Python kernel: runs the cells one after the other in one namespace, as a notebook does.
#
# Started by supervisor.py with two descriptors: cells come in on the first (u32 length, JSON {"cell", "code"}), their
# end is told on the second (a JSON line {"cell", "status"}). Standard output and error are one pipe to the supervisor.
import ast
import asyncio
import builtins
import importlib.abc
import importlib.machinery
import inspect
import io
import json
import linecache
import os
import re
import signal
import struct
import sys
import traceback
import types

CODE, RESULT = int(sys.argv[1]), int(sys.argv[2])
OUTPUT = os.dup(1)
for private in (CODE, RESULT, OUTPUT):
    os.set_inheritable(private, False)
PID = os.getpid()
running = False


def on_interrupt(number, frame):
    if running:
        raise KeyboardInterrupt


def read_exactly(count):
    data = b""
    while len(data) < count:
        piece = os.read(CODE, count - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


def standard_streams():
    """Fresh for every cell: the one before may have closed or replaced them."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null > 2:
        os.close(null)
    os.dup2(OUTPUT, 1)
    os.dup2(OUTPUT, 2)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, "__%s__" % name)
        if stream is None or stream.closed or getattr(stream, "descant", None) != fd:
            stream = io.TextIOWrapper(
                io.FileIO(fd, "w", closefd=False), "utf-8", "backslashreplace", line_buffering=True
            )
            stream.descant = fd
            setattr(sys, "__%s__" % name, stream)
        setattr(sys, name, stream)


def flush():
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except Exception:
            pass


def own_frames(trace):
    """The traceback from the cell's first line on: what is above it, this file and asyncio, says nothing to the
    author of the code. An error outside any cell (of saving a figure) keeps all but this file."""
    kept = []
    while trace is not None:
        if trace.tb_frame.f_globals is not globals():
            kept.append(trace)
        trace = trace.tb_next
    for first, one in enumerate(kept):
        if one.tb_frame.f_code.co_filename.startswith("<cell "):
            kept = kept[first:]
            break
    trimmed = None
    for one in reversed(kept):
        trimmed = types.TracebackType(trimmed, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return trimmed


LEFT_OUT = "<%d frames left out>"
LEFT_OUT_LINE = re.compile(r'  File "<(\d+) frames left out>".*\n')


def of_the_author(path):
    return path.startswith("<cell ") or (
        path.startswith(("/workspace/", "/mnt/data/", "/tmp/")) and "/site-packages/" not in path
    )


def trim(report):
    """Of three or more frames of libraries in a row only the innermost is kept, which names what went wrong."""
    frames, run = [], []
    for frame in list(report.stack) + [None]:
        if frame is not None and not of_the_author(frame.filename):
            run.append(frame)
            continue
        if len(run) > 2:
            run[:-1] = [traceback.FrameSummary(LEFT_OUT % (len(run) - 1), 0, "", line="")]
        frames += run if frame is None else run + [frame]
        run = []
    report.stack[:] = frames
    for other in (report.__cause__, report.__context__):
        if other is not None:
            trim(other)
    return report


def show_error(error):
    try:
        report = traceback.TracebackException(type(error), error, own_frames(error.__traceback__))
        text = LEFT_OUT_LINE.sub(r"  [\1 frames inside libraries]\n", "".join(trim(report).format()))
    except BaseException:  # A class whose own methods raise.
        text = "%s (its traceback cannot be shown)\n" % type(error).__name__
    standard_streams()
    sys.stderr.write(text)


# A value whose repr is longer is printed as it is: laying it out would take longer than reading it.
LAID_OUT = 1 << 16
WIDTH = 100


def shown(value):
    """A value as a notebook shows it: its repr, long containers one element a line."""
    text = repr(value)
    if type(value) not in (dict, list, tuple, set, frozenset) or not WIDTH < len(text) <= LAID_OUT:
        return text
    import pprint

    class Printer(pprint.PrettyPrinter):
        # Without the rule that cuts long strings into pieces, which is none of a notebook's.
        _dispatch = {
            how: rule
            for how, rule in getattr(pprint.PrettyPrinter, "_dispatch", {}).items()
            if how not in (str.__repr__, bytes.__repr__)
        }

    return Printer(width=WIDTH, sort_dicts=False).pformat(value)


def display(*values):
    """The notebook's own function for showing more than the last value."""
    for value in values:
        if hasattr(value, "savefig"):
            save_figure(value)
        else:
            print(shown(value))


FIGURES = "descant_figures"


class FigureBackend(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """matplotlib's backend (MPLBACKEND=module://...): figures are drawn in memory, `show` saves and closes them."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == FIGURES else None

    def exec_module(self, module):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        module.FigureCanvas = FigureCanvasAgg
        module.show = lambda *args, **options: save_figures()


def save_figure(figure, saved=[0]):
    while True:
        saved[0] += 1
        path = "/mnt/data/figure-%d.png" % saved[0]
        if not os.path.lexists(path):
            break
    figure.savefig(path)
    print("[figure saved: %s]" % path)


def save_figures():
    """Saves every open figure and closes it, as a notebook does at the end of a cell."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not hasattr(pyplot, "get_fignums"):
        return
    try:
        for number in pyplot.get_fignums():
            save_figure(pyplot.figure(number))
    finally:
        pyplot.close("all")


def evaluate(code, names):
    value = eval(code, names)
    if code.co_flags & inspect.CO_COROUTINE:  # `await` at the top, as in a notebook.
        return loop().run_until_complete(value)
    return value


def loop(kept=[]):
    if not kept or kept[0].is_closed():
        kept[:] = [asyncio.new_event_loop()]
        asyncio.set_event_loop(kept[0])
    return kept[0]


def run(number, source, names):
    name = "<cell %d>" % number
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile(source, name, "exec", flags | ast.PyCF_ONLY_AST, True)
    last = None
    # A final `x;` is not shown, as in a notebook.
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)
    if tree.body:
        evaluate(compile(tree, name, "exec", flags, True), names)
    if last is not None:
        value = evaluate(compile(last, name, "eval", flags, True), names)
        if value is not None:
            names["_"] = value
            print(shown(value))


def cell(number, source, names):
    global running
    status = "ok"
    standard_streams()
    try:
        try:
            running = True
            try:
                run(number, source, names)
            except Exception as error:  # Its figures are saved all the same.
                status = "error"
                show_error(error)
            if os.getpid() == PID:
                save_figures()
        finally:
            running = False
            flush()
    except KeyboardInterrupt as error:
        status = "interrupted"
        show_error(error)
    except SystemExit as error:
        # `exit()` ends the cell, not the kernel.
        if error.code not in (None, 0):
            status = "error"
            sys.stderr.write("SystemExit: %s\n" % (error.code,))
    except BaseException as error:
        status = "error"
        show_error(error)
    if os.getpid() != PID:
        os._exit(0 if status == "ok" else 1)  # A fork of the code came back here; the cell is not its to end.
    flush()
    return status


def main():
    # When memory runs out, this process is to go, not the supervisor.
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass
    signal.signal(signal.SIGINT, on_interrupt)
    workspace_note = None
    try:
        os.chdir("/workspace")
        os.listdir(".")
    except OSError as error:
        os.chdir("/mnt/data")
        workspace_note = "note: /workspace cannot be read here (%s)\n" % error.strerror
    module = types.ModuleType("__main__")
    module.__builtins__ = __builtins__
    builtins.display = display
    sys.meta_path.append(FigureBackend())
    sys.modules["__main__"] = module
    sys.argv = [""]
    sys.path.insert(0, "")
    while True:
        (length,) = struct.unpack(">I", read_exactly(4))
        request = json.loads(read_exactly(length))
        status = cell(request["cell"], request["code"], module.__dict__)
        # Said where it may explain a failure; a cell that went well did not need the files.
        if workspace_note and status != "ok":
            os.write(OUTPUT, workspace_note.encode())
            workspace_note = None
        os.write(RESULT, (json.dumps({"cell": request["cell"], "status": status}) + "\n").encode())


main()
