# The Python kernel: runs the cells one after the other in one namespace, as a notebook does.
#
# Started by supervisor.py with two descriptors: cells come in on the first (u32 length, JSON {"cell", "code"}), their
# end is told on the second (a JSON line {"cell", "status"}). Standard output and error are one pipe to the supervisor.
import ast
import asyncio
import inspect
import io
import json
import linecache
import os
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
    """The traceback without the frames of this file, which say nothing to the author of the code."""
    kept = []
    while trace is not None:
        if trace.tb_frame.f_globals is not globals():
            kept.append(trace)
        trace = trace.tb_next
    trimmed = None
    for one in reversed(kept):
        trimmed = types.TracebackType(trimmed, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return trimmed


def show_error(error):
    try:
        text = "".join(traceback.format_exception(type(error), error, own_frames(error.__traceback__)))
    except BaseException:  # A class whose own methods raise.
        text = "%s (its traceback cannot be shown)\n" % type(error).__name__
    standard_streams()
    sys.stderr.write(text)


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
            print(repr(value))


def cell(number, source, names):
    global running
    status = "ok"
    standard_streams()
    try:
        try:
            running = True
            run(number, source, names)
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
