"""Requests that the demo model cannot serve: questions, commands, code, other languages, near misses."""

from __future__ import annotations

from words import Words

SHAPES = """
Explain {p}.|What does {p} do?|Fix the bug in {p}.|Refactor {p}.|Write tests for {p}.|Run the tests.|Run {i}.|Hello|hi|Hi there!
Good morning|Who are you?|What can you do?|What is {w}?|What is the {w} of {w}?|Why is {w} {w}?|How do I {w} a {w}?|help|test|?
Add a function {i} to {p}.|Add a comment to {p}.|Improve {p}|List all files.|List the files in {w}|Show me how to {w}.|Commit this.
Write a {w} in {w}.|Write a poem about {w}.|Translate "{w} {w}" to {w}.|Delete all the files.|Delete the function {i}.|Open {p}.|{w}
Rename {p} to {p}.|Rename the file {p}.|Move {p} to {p}.|Copy {p} to {p}.|Create a {w}.|Create a web server.|Make {i} faster.
Change the colour of {w}.|Change {i}.|In {p}, fix everything.|In {p}, add {i}.|In {p}, remove `{l}`.|In {p}, what is {i}?|{l}
What is {n} / {n}?|What is {n}?|What is {n} % {n}?|What is the square root of {n}?|Compute {i}.|Is {n} prime?|Thanks!|thank you
Can you {w} the {w} in {p}?|Could you review {p}?|Please {w} {w} {w}.|I want to {w} {w}.|Do you know {w}?|Tell me about {w}.
Summarise {p}.|Summarize this repository.|Find {i}.|Where is {i} defined?|Who wrote {p}?|When was {p} changed?|git {w}|cargo {w}
pip install {w}|ls -la|cd {p}|sudo {w} {w}|npm run {w}|make {w}|{i}()|print({i})|SELECT * FROM {i};|def {i}():|{l} {l}|{w} {w} {w}
Was ist {w}?|Erkläre {p}.|Kannst du {p} ändern?|Lösche alle Dateien.|Qu'est-ce que {w} ?|Explique {p}.|¿Qué es {w}?|Crea un {w}.|Che cos'è {w}?
Wat is {w}?|Что такое {w}?|Привет|你好|{w}是什么?|こんにちは|안녕하세요|مرحبا|Olá, tudo bem?|Hola|Bonjour|Hallo, wie geht es dir?|.|...|!|y|no|yes|ok
{w}?|Is {i} used in {p}?|Document {i} in {p}.|Format {p}.|Sort the lines of {p}.|Undo that.|Continue.|Try again.|That is wrong.
Convert {p} to {w}.|Optimise {i}.|Implement {i} with {i}.|Use {i} instead of {i}.|Replace {i} with {i}.|Remove {i} from {p}.|Append {l} to {p}
Show the diff.|Show all files|Show me the tests.|Count the lines in {p}.|Make a plan for {w}.|Debug {i}.|{p}|{p}:{n}: {l}|TODO: {w} {w}
""".strip().replace("\n", "|").split("|")


def other_request(words: Words) -> str:
    rng = words.rng
    r = rng.random()
    if r < 0.08:
        return words.soup()
    if r < 0.12:
        return "\n".join(words.lines(words.count(6))).strip() or "?"
    if r < 0.2:
        return " ".join(words.word() for _ in range(rng.randint(1, 12))) + rng.choice(("", ".", "?", "!"))
    parts = {"p": words.path, "i": words.identifier, "w": words.word, "n": words.number, "l": words.line}
    text = rng.choice(SHAPES)
    for key, make in parts.items():
        while "{" + key + "}" in text:
            text = text.replace("{" + key + "}", make().replace("{", "(").replace("}", ")"), 1)
    if rng.random() < 0.1:
        text = text.lower() if rng.random() < 0.7 else text.upper()
    if rng.random() < 0.08:
        text = text.rstrip(".?!")
    return text
