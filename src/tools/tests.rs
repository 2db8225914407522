use super::*;
use crate::sandbox::{CellExit, CellResult};
use crate::workspace::Workspace;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

struct Folder {
    dir: TempDir,
    workspace: Workspace,
}

fn folder(files: &[(&str, &[u8])]) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let workspace = Workspace::open(dir.path()).unwrap();
    Folder { dir, workspace }
}

impl Folder {
    /// The text or, after `!`, the error.
    fn run(&self, tool: Tool, arguments: serde_json::Value) -> String {
        run_read_only(
            tool,
            &self.workspace,
            None,
            &arguments.to_string(),
            &CancellationToken::new(),
        )
        .unwrap_or_else(|error| format!("!{error}"))
    }

    fn read(&self, arguments: serde_json::Value) -> String {
        self.run(Tool::ReadFile, arguments)
    }

    fn list(&self, arguments: serde_json::Value) -> String {
        self.run(Tool::ListFiles, arguments)
    }

    fn search(&self, arguments: serde_json::Value) -> String {
        self.run(Tool::Search, arguments)
    }
}

fn numbered(lines: usize) -> String {
    (1..=lines).map(|n| format!("line {n}\n")).collect()
}

#[test]
fn a_file_is_read_exactly() {
    let cases: [(&str, &str); 8] = [
        ("a\nb\n", "a\nb"),
        ("a\nb", "a\nb"),
        ("a\r\nb\r\n", "a\r\nb"),
        ("a\n\n", "a\n"),
        ("\n", ""),
        ("", "(empty file)"),
        (
            "  indented\t\u{feff}é<|end|>\n",
            "  indented\t\u{feff}é<|end|>",
        ),
        ("\u{2028}x\u{85}y\n", "\u{2028}x\u{85}y"),
    ];
    for (content, expected) in cases {
        let folder = folder(&[("f.txt", content.as_bytes())]);
        assert_eq!(folder.read(json!({"path": "f.txt"})), expected);
    }
}

#[test]
fn long_files_come_in_pages() {
    let long = numbered(1_000);
    let folder = folder(&[
        ("f", long.as_bytes()),
        ("wide", "word ".repeat(20_000).as_bytes()),
    ]);
    let page = |from: usize, to: usize| {
        (from..=to)
            .map(|n| format!("line {n}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        folder.read(json!({"path": "f"})),
        page(1, 400) + "\n[lines 1-400 of 1000; continue with offset=401]"
    );
    assert_eq!(
        folder.read(json!({"path": "f", "offset": 401})),
        page(401, 800) + "\n[lines 401-800 of 1000; continue with offset=801]"
    );
    assert_eq!(
        folder.read(json!({"path": "f", "offset": 801})),
        page(801, 1000) + "\n[lines 801-1000 of 1000]"
    );
    assert_eq!(
        folder.read(json!({"path": "f", "limit": 1000})),
        page(1, 1000)
    );
    assert_eq!(
        folder.read(json!({"path": "f", "offset": "999", "limit": 1.0})),
        "line 999\n[lines 999-999 of 1000; continue with offset=1000]"
    );
    assert_eq!(
        folder.read(json!({"path": "f", "offset": 1001})),
        "!f: offset 1001 is past the end; the file has 1000 lines"
    );
    let wide = folder.read(json!({"path": "wide"}));
    assert!(
        wide.len() < 25 * 1024 && wide.ends_with("\n[75424 bytes of line 1 left out]"),
        "{}",
        wide.len()
    );
}

#[test]
fn following_the_pages_gives_the_whole_file() {
    let long: String = (0..3_000)
        .map(|n| format!("{n} {}\n", "x".repeat(n % 97)))
        .collect();
    let folder = folder(&[("f", long.as_bytes())]);
    let mut whole = String::new();
    let mut offset = 1;
    loop {
        let page = folder.read(json!({"path": "f", "offset": offset}));
        let (body, note) = page.rsplit_once("\n[lines ").unwrap();
        whole.push_str(body);
        whole.push('\n');
        let Some((_, next)) = note.split_once("continue with offset=") else {
            break;
        };
        offset = next.trim_end_matches(']').parse().unwrap();
    }
    assert_eq!(whole, long);
}

#[test]
fn what_is_no_text_of_the_repository_is_refused_by_name() {
    let folder = folder(&[
        ("bin", b"\x7fELF\0\0"),
        ("latin", b"caf\xe9\n"),
        ("wide", b"\xff\xfe\xe9\0\n\0"),
        ("d/x", b"x"),
    ]);
    symlink("/etc/passwd", folder.dir.path().join("link")).unwrap();
    symlink("/etc", folder.dir.path().join("etc")).unwrap();
    for (path, expected) in [
        ("none", "!none: no such file"),
        (
            "bin",
            "!bin: a binary file of 6 bytes; only text can be read",
        ),
        ("latin", "café"),
        ("wide", "é"),
        ("d", "!d: a folder, not a file"),
        ("./d//x", "x"),
        ("/workspace/d/x", "x"),
    ] {
        assert_eq!(folder.read(json!({"path": path})), expected);
    }
    for path in [
        "link",
        "etc/passwd",
        "/etc/passwd",
        "../x",
        "~/x",
        ".git/config",
        "d/../../x",
        "C:\\x",
    ] {
        let said = folder.read(json!({"path": path}));
        assert!(
            said.starts_with('!') && !said.contains("root:"),
            "{path}: {said}"
        );
        assert!(
            !folder
                .search(json!({"pattern": "root", "path": path}))
                .contains("root:")
        );
        assert!(!folder.list(json!({"path": path})).contains("passwd\n"));
    }
}

#[test]
fn ignored_files_links_and_git_are_not_listed() {
    let folder = folder(&[
        (".gitignore", b"target/\n*.log\n!keep.log\n"),
        (".git/config", b"x"),
        (".github/ci.yml", b"x"),
        ("src/main.rs", b"x"),
        ("src/.gitignore", b"gen.rs\n"),
        ("src/gen.rs", b"x"),
        ("src/a/b.rs", b"x"),
        ("target/debug/x.rs", b"x"),
        ("x.log", b"x"),
        ("keep.log", b"x"),
        ("nested/.git/HEAD", b"x"),
        ("nested/inside.rs", b"x"),
        ("empty/.gitignore", b"*\n"),
    ]);
    symlink("/etc/passwd", folder.dir.path().join("link.rs")).unwrap();
    symlink("/etc", folder.dir.path().join("linked")).unwrap();
    assert_eq!(
        folder.list(json!({})),
        ".github/ci.yml\n.gitignore\nkeep.log\nsrc/.gitignore\nsrc/a/b.rs\nsrc/main.rs"
    );
    assert_eq!(
        folder.list(json!({"path": "src"})),
        "src/.gitignore\nsrc/a/b.rs\nsrc/main.rs"
    );
    assert_eq!(
        folder.list(json!({"path": "src/", "glob": "*.rs"})),
        "src/a/b.rs\nsrc/main.rs"
    );
    assert_eq!(
        folder.list(json!({"path": ".", "glob": "src/*.rs"})),
        "src/main.rs"
    );
    // A glob narrows; it does not bring back what is ignored.
    assert_eq!(folder.list(json!({"glob": "**/*.log"})), "keep.log");
    assert_eq!(
        folder.list(json!({"glob": "*.py", "path": null})),
        "No files."
    );
    assert_eq!(folder.list(json!({"path": "none"})), "!none: no such file");
    assert!(
        folder
            .list(json!({"glob": "[a"}))
            .starts_with("!the glob [a: ")
    );
    assert!(folder.list(json!({"path": "linked"})).starts_with('!'));
}

#[test]
fn a_long_list_says_how_much_is_missing() {
    let names: Vec<String> = (0..600).map(|n| format!("f{n:03}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let listed = folder(&files).list(json!({}));
    assert!(listed.starts_with("f000\nf001\n"));
    assert!(listed.ends_with("f499\n[500 of 600 files; narrow with path or glob]"));
}

#[test]
fn matches_are_verbatim() {
    let folder = folder(&[
        ("a.rs", b"fn main() {\n    let x = 1;\r\n}\n"),
        ("b/c.py", b"def main():\n    pass\n# main"),
        (".gitignore", b"hidden.rs\n"),
        ("hidden.rs", b"main\n"),
        ("bin", b"main\0main\n"),
    ]);
    assert_eq!(
        folder.search(json!({"pattern": "main"})),
        "a.rs:1:fn main() {\nb/c.py:1:def main():\nb/c.py:3:# main"
    );
    assert_eq!(
        folder.search(json!({"pattern": "^\\s+\\w"})),
        "a.rs:2:    let x = 1;\nb/c.py:2:    pass"
    );
    assert_eq!(
        folder.search(json!({"pattern": "main", "glob": "*.py"})),
        "b/c.py:1:def main():\nb/c.py:3:# main"
    );
    assert_eq!(
        folder.search(json!({"pattern": "main", "path": "a.rs"})),
        "a.rs:1:fn main() {"
    );
    // An ignored file that is asked for by name is searched.
    assert_eq!(
        folder.search(json!({"pattern": "main", "path": "hidden.rs"})),
        "hidden.rs:1:main"
    );
    assert_eq!(
        folder.search(json!({"pattern": "(?i)MAIN", "path": "b"})),
        "b/c.py:1:def main():\nb/c.py:3:# main"
    );
    assert_eq!(folder.search(json!({"pattern": "nowhere"})), "No matches.");
    assert_eq!(
        folder.search(json!({})),
        "!the arguments are not what the tool takes: `pattern` is missing"
    );
    let bad = folder.search(json!({"pattern": "fn (main"}));
    assert!(
        bad.contains("fn (main\n") && bad.contains("^\n") && bad.contains("unclosed group"),
        "{bad}"
    );
}

#[test]
fn many_matches_and_long_lines_are_capped() {
    let wide = "x".repeat(5_000);
    let folder = folder(&[
        ("many", numbered(900).as_bytes()),
        ("wide", wide.as_bytes()),
    ]);
    let many = folder.search(json!({"pattern": "line"}));
    assert_eq!(many.lines().count(), 201);
    assert!(
        many.ends_with(
            "many:200:line 200\n[the first 200 matches; narrow the pattern, path or glob]"
        )
    );
    assert_eq!(
        folder.search(json!({"pattern": "x+"})),
        format!("wide:1:{} [line cut]", "x".repeat(1_000))
    );
}

#[test]
fn a_cancelled_walk_stops() {
    let folder = folder(&[("a", b"x"), ("b", b"x")]);
    let cancel = CancellationToken::new();
    cancel.cancel();
    for (tool, arguments) in [
        (Tool::ListFiles, "{}"),
        (Tool::Search, r#"{"pattern":"x"}"#),
    ] {
        let result = run_read_only(tool, &folder.workspace, None, arguments, &cancel);
        assert!(matches!(result, Err(ToolError::Interrupted)));
    }
}

#[test]
fn recipients_mean_tools() {
    for (recipient, tool) in [
        ("functions.read_file", Some(Tool::ReadFile)),
        ("read_file", Some(Tool::ReadFile)),
        ("functions.search<|channel|>commentary", Some(Tool::Search)),
        ("functions.apply_patch json", Some(Tool::ApplyPatch)),
        ("apply_patch", Some(Tool::ApplyPatch)),
        ("Python", Some(Tool::Python)),
        ("python code", Some(Tool::Python)),
        ("functions.python", Some(Tool::Python)),
        ("to=functions.list_files", Some(Tool::ListFiles)),
        ("functions.read_files", None),
        ("functions.", None),
        ("", None),
        ("assistant", None),
        ("functions.shell<|channel|>commentary", Some(Tool::Shell)),
        ("shell", Some(Tool::Shell)),
    ] {
        assert_eq!(Tool::from_recipient(recipient), tool, "{recipient}");
    }
    assert_eq!(recipient_name("we<|x|>ird\u{1b}[31m"), "we");
}

#[test]
fn every_function_offered_is_a_tool() {
    for function in functions(true) {
        assert!(
            Tool::from_recipient(&function.name).is_some_and(|tool| tool.name() == function.name)
        );
    }
}

#[test]
fn calls_are_summed_up_in_words() {
    for (tool, arguments, expected) in [
        (Tool::ReadFile, r#"{"path":"a"}"#, "read a"),
        (
            Tool::ReadFile,
            r#"{"path":"a","offset":7}"#,
            "read a from line 7",
        ),
        (Tool::ReadFile, "nonsense", "read a file"),
        (Tool::ListFiles, "", "list files"),
        (
            Tool::ListFiles,
            r#"{"glob":"*.rs","path":"src"}"#,
            "list files *.rs in src",
        ),
        (
            Tool::Search,
            r#"{"pattern":"x y","path":"src"}"#,
            "search \"x y\" in src",
        ),
        (Tool::ApplyPatch, "nonsense", "edit files"),
        (
            Tool::ApplyPatch,
            "*** Begin Patch\n*** Delete File: a\n*** Delete File: b\n*** End Patch",
            "edit a, b",
        ),
        (Tool::Python, "\n  x = 1\n", "python x = 1"),
        (Tool::Python, "", "python"),
    ] {
        assert_eq!(summary(tool, arguments), expected);
    }
}

#[test]
fn arguments_may_stand_in_a_fence() {
    let folder = folder(&[("a", b"text\n")]);
    let run = |arguments: &str| {
        run_read_only(
            Tool::ReadFile,
            &folder.workspace,
            None,
            arguments,
            &CancellationToken::new(),
        )
        .map_err(|error| error.to_string())
    };
    assert_eq!(run("```json\n{\"path\": \"a\"}\n```"), Ok("text".into()));
    assert_eq!(
        run("{\"path\": \"a\", \"unknown\": [1]}"),
        Ok("text".into())
    );
    assert!(run("{\"path\": 7}").is_err());
    assert!(run("[]").is_err());
    assert!(run(&"[".repeat(100_000)).is_err());
}

#[test]
fn heads_and_tails_are_kept_to_the_character() {
    let short = "as it is";
    assert_eq!(cap::head_and_tail(short, 100, None), short);
    let lines = numbered(1_000);
    let capped = cap::head_and_tail(&lines, 900, None);
    assert!(capped.len() < 1_000, "{}", capped.len());
    assert!(capped.starts_with("line 1\nline 2\n") && capped.ends_with("line 999\nline 1000\n"));
    let (head, rest) = capped.split_once('[').unwrap();
    let (note, tail) = rest.split_once("left out]\n").unwrap();
    assert!(lines.starts_with(head) && lines.ends_with(tail));
    let missing = lines.len() - head.len() - tail.len();
    let missing_lines =
        lines.matches('\n').count() - head.matches('\n').count() - tail.matches('\n').count();
    assert_eq!(note, format!("{missing} bytes in {missing_lines} lines "));
    let named = cap::head_and_tail(&lines, 900, Some("tool-output:1"));
    let note = " left out; read_file has all of it as tool-output:1]\n";
    assert!(named.contains(note), "{named}");
    // One long line of characters of several bytes each.
    for limit in 90..110 {
        let capped = cap::head_and_tail(&"é😀".repeat(1_000), limit, None);
        assert!(capped.len() < limit + 60);
        assert!(capped.starts_with("é😀é") && capped.ends_with("😀é😀"));
    }
}

#[test]
fn a_cells_end_is_told() {
    let told = |output: &str, exit| {
        python::answer(&CellResult {
            output: output.into(),
            exit,
        })
    };
    assert_eq!(told("3\n\n", CellExit::Ok), "3");
    assert_eq!(told("\n", CellExit::Ok), "(no output)");
    assert_eq!(told("Traceback\n", CellExit::Error), "Traceback");
    assert_eq!(
        told("", CellExit::Error),
        "[the code failed without output]"
    );
    assert_eq!(
        told("x\n", CellExit::Timeout),
        "x\n[stopped: the time limit was reached]"
    );
    assert_eq!(
        told("x\n[stopped after 30 s]\n", CellExit::Timeout),
        "x\n[stopped after 30 s]"
    );
    assert_eq!(told("", CellExit::Interrupted), "[interrupted by the user]");
    let codes = [
        CellExit::Ok,
        CellExit::Error,
        CellExit::Timeout,
        CellExit::Interrupted,
        CellExit::Died,
    ];
    assert_eq!(codes.map(python::exit_code), [0, 1, 124, 130, 137]);
}
