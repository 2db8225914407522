"""The demo model's fixed wordings, in one place: what it is sent and what it always says."""

SYSTEM = "Descant demo. Tools: functions, python."
SYSTEM_WITHOUT_PYTHON = "Descant demo. Tools: functions."

CANNOT = (
    "I am the small demo model built into Descant. I can change a line of a file, create, delete or show a file, "
    "rename an identifier in a file, and compute with python. For real work get GPT-OSS: "
    "descant models pull gpt-oss-20b"
)

THINK_READ = "I will read {path} first."
THINK_CHANGE_ONE = "I will change one line of {path}."
THINK_CHANGE_TWO = "I will change two lines of {path}."
THINK_CREATE = "I will create {path}."
THINK_DELETE = "I will delete {path}."
THINK_SHOW = "I will show {path}."
THINK_COMPUTE = "I will compute this with python."
THINK_SEARCH = "I will search {path} for {old} first."
THINK_RENAME = "I will rename {old} to {new} in {path}."
THINK_CANNOT = "This is nothing that I can do."

CHANGED = "Changed {path}."
CREATED = "Created {path}."
DELETED = "Deleted {path}."
RENAMED = "Renamed {old} to {new} in {path}."
COMPUTED = "{expression} = {result}"
ABSENT = "{old} does not occur in {path}."
PROPOSED = "I propose a change to {path}."
PARTLY = "Changed {path} in part. You declined the rest"
DECLINED = "I left {path} as it was."
DECLINED_NOTE = "I left {path} as it was. You declined: {note}"
FAILED = "That did not work: {error}"
NO_PYTHON = "I could not compute that: python is not available."

RESULT_SUCCESS = "Success. Updated the following files:\n{mark} {path}"
RESULT_PARTLY = "Partly applied. Updated the following files:\n{mark} {path}\nDeclined by the user:\n{declined}"
RESULT_NOTHING = "Nothing was applied. Declined by the user:\n{declined}"
RESULT_PROPOSED = "Recorded for review, not applied yet:\n{mark} {path}"
RESULT_NO_MATCHES = "No matches."
RESULT_NO_FILE = "Error: {path}: no such file"
RESULT_NO_PYTHON = "Error: python is not available: {reason}"

HEADERS = (
    "system user assistant analysis commentary final to=functions.read_file to=functions.search "
    "to=functions.apply_patch to=python code json path pattern print "
    "*** Begin Patch *** Update File: *** Add File: *** Delete File: *** End Patch"
)
REQUESTS = "In change to and Create with Delete Show What is Rename in Please"

FIXED_TEXTS = [v for k, v in list(globals().items()) if k.isupper() and isinstance(v, str)]

GOLDEN_TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "tally",
    " tally",
    "(tally)",
    "_tally tally2 my_tally Tally TALLY",
    "x" * 40,
    "a" + " " * 33 + "b",
    " " * 5 + "five",
    " " * 70,
    "\t\ttabs\tinside \t mixed",
    "line one\nline two\n",
    "windows\r\nline\r\nends",
    "trailing  \n  leading",
    "def encode(self, text: str) -> list[int]:\n    return [1, 22, 333]\n",
    'let mut total = 0usize; // "quoted" \'single\' `tick`',
    "fn main() {\n    println!(\"{}\", 1 + 2);\n}\n",
    "const f = (a, b) => a?.b ?? b;",
    "0123456789 1000000 -42 3.14159 0xdeadbeef 1e-9",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "\\\\bname\\\\b \\n \\t",
    '{"path":"src/main.rs"}',
    '{"pattern":"\\\\b(tally)\\\\b","path":"a/b.py"}',
    "*** Begin Patch\n*** Update File: a.txt\n@@\n-old\n+new\n*** End Patch",
    "Ünïcödé naïve café",
    "日本語のテキスト",
    "Привет, мир",
    "emoji 🎉👩‍🚀 done",
    "e\u0301 combining",
    "zero\u200bwidth \u00a0nbsp \ufeffbom",
    "مرحبا",
    "𝒳 astral",
    "=" * 70 + "\n" + "#" * 33 + "----- -- ++++ +++ ((( ))) ``` \\\\ \r\r",
    "1234567 12 123 1234 a12b345c6789",
    "1,000,000 00:00:59 ::1",
    "\n" * 50 + "x",
    "one\n\n\ntwo\n-\n--\n---\n-----\n",
    "nul\x00 bell\x07 del\x7f",
    "mixedCASEwords HTTPServer getURLPath",
    "snake_case_name SCREAMING_SNAKE kebab-case",
    "internationalization antidisestablishmentarianism",
    "qzxjkvbp wqrtz",
    "foo.bar.baz(qux)[0]{1}<2>",
    "a b  c   d    e     f",
    "\n\n\n",
    " \n \n",
    "https://example.org/a?b=c&d=e#f",
    "user@example.org",
    "# Heading\n\n- item\n- item **bold** _it_\n",
    "[package]\nname = \"demo\"\nversion = \"0.1.0\"\n",
    "SELECT * FROM t WHERE a <> 'b';",
    "<|start|> is only text here",
    "<div class=\"x\">text</div>",
    SYSTEM,
    CANNOT,
]
