//! Who may import whom. The table is `docs/architecture.md`'s; a breach fails here with the line.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Modules that hold plain data or text and may be used by all.
const PLAIN: [&str; 4] = ["conversation", "config", "text", "error"];

fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("cli", &["agent", "patch", "session"][..]),
        ("tui", &["agent", "patch"][..]),
        (
            "agent",
            &[
                "engine",
                "harmony",
                "hub",
                "tools",
                "session",
                "patch",
                "sandbox",
                "workspace",
            ][..],
        ),
        ("engine", &["harmony"][..]),
        ("harmony", &[][..]),
        ("hub", &[][..]),
        ("tools", &["patch", "sandbox", "workspace"][..]),
        ("sandbox", &[][..]),
        ("patch", &["workspace"][..]),
        ("workspace", &[][..]),
        ("session", &[][..]),
        ("conversation", &[][..]),
        ("config", &[][..]),
        ("text", &[][..]),
    ])
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Names after `crate::` in a line, comments left out: `crate::a::b` gives `a`, `crate::{a::x, b}` gives both.
fn imports(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or("");
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or("").to_owned(),
            None => rest.to_owned(),
        };
        for part in list.split(',') {
            let name: String = part
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            names.push(name);
            if !rest.starts_with('{') {
                break;
            }
        }
    }
    names
}

#[test]
fn imports_follow_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let allowed = allowed();
    let mut breaches = Vec::new();
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let Some(may) = allowed.get(module.as_str()) else {
            assert!(
                matches!(module.as_str(), "app" | "main" | "lib"),
                "src/{} belongs to no module of the table",
                relative.display()
            );
            continue;
        };
        for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            for name in imports(line) {
                checked += 1;
                // Macros and items of the same module are written `crate::module::...` as well.
                let fine = name == module
                    || PLAIN.contains(&name.as_str())
                    || may.contains(&name.as_str());
                if !fine {
                    breaches.push(format!(
                        "src/{}:{}: {}",
                        relative.display(),
                        number + 1,
                        line.trim()
                    ));
                }
            }
        }
    }
    assert!(
        checked > 50,
        "only {checked} imports seen: the reader of this test is broken"
    );
    assert!(
        breaches.is_empty(),
        "imports against the table:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn files_stay_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let long: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            // A file's own tests do not count; a file that is nothing but tests is exempt.
            let lines = text
                .lines()
                .take_while(|l| !l.starts_with("mod tests {"))
                .count();
            let is_tests = file
                .file_stem()
                .is_some_and(|s| s.to_string_lossy().ends_with("tests"));
            (lines > 450 && !is_tests).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "two ideas share a room in:\n{}",
        long.join("\n")
    );
}
