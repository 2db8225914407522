use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::{Path, PathBuf};

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const DIGITS: &str = "123456789";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Made at run time, so that nobody's scanner finds them in this file.
fn of(random: &mut StdRng, alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    (0..length)
        .map(|_| letters[random.random_range(0..letters.len())])
        .collect()
}

/// The family, what a tool printed around the secret, and its shape: text, or an alphabet and a length.
type Planted = (&'static str, &'static str, &'static [Part], &'static str);

#[derive(Clone, Copy)]
enum Part {
    Is(&'static str),
    Of(&'static str, usize),
}

use Part::{Is, Of};

const PLANTED: [Planted; 20] = [
    (
        "private key",
        "-----BEGIN RSA PRIVATE KEY-----\n",
        &[
            Of(ALNUM, 64),
            Is("\n"),
            Of(ALNUM, 64),
            Is("\n"),
            Of(ALNUM, 40),
        ],
        "\n-----END RSA PRIVATE KEY-----",
    ),
    ("github token", "token: ", &[Is("ghp_"), Of(ALNUM, 36)], ""),
    (
        "gitlab token",
        "found ",
        &[Is("glpat-"), Of(ALNUM, 20)],
        " in .env",
    ),
    (
        "aws access key",
        "aws_access_key_id = ",
        &[Is("AKIA"), Of(BASE32, 16)],
        "",
    ),
    (
        "aws secret key",
        "aws_secret_access_key = ",
        &[Of(ALNUM, 40)],
        "",
    ),
    (
        "google api key",
        "key=",
        &[Is("AIza"), Of(ALNUM, 35)],
        "&v=3",
    ),
    (
        "slack token",
        "SLACK: ",
        &[Is("xoxb-"), Of(DIGITS, 12), Is("-"), Of(ALNUM, 24)],
        "",
    ),
    ("stripe key", "'", &[Is("sk_live_"), Of(ALNUM, 24)], "'"),
    (
        "anthropic key",
        "x-api-key: ",
        &[Is("sk-ant-api03-"), Of(ALNUM, 93)],
        "",
    ),
    (
        "openai key",
        "bearer ",
        &[Is("sk-proj-"), Of(ALNUM, 48)],
        "",
    ),
    (
        "hugging face token",
        "login ",
        &[Is("hf_"), Of(ALNUM, 34)],
        "",
    ),
    (
        "npm token",
        "//registry.npmjs.org/:_authToken=",
        &[Is("npm_"), Of(ALNUM, 36)],
        "",
    ),
    (
        "pypi token",
        "password = ",
        &[Is("pypi-AgEIcHlwaS5vcmc"), Of(ALNUM, 60)],
        "",
    ),
    (
        "sendgrid key",
        "send with ",
        &[Is("SG."), Of(ALNUM, 22), Is("."), Of(ALNUM, 43)],
        "",
    ),
    ("twilio key", "sid ", &[Is("SK"), Of(HEX, 32)], ""),
    (
        "telegram token",
        "bot ",
        &[Of(DIGITS, 9), Is(":AA"), Of(ALNUM, 33)],
        " started",
    ),
    (
        "digitalocean token",
        "do ",
        &[Is("dop_v1_"), Of(HEX, 64)],
        "",
    ),
    (
        "json web token",
        "cookie=",
        &[
            Is("eyJ"),
            Of(ALNUM, 20),
            Is(".eyJ"),
            Of(ALNUM, 60),
            Is("."),
            Of(ALNUM, 43),
        ],
        ";",
    ),
    (
        "password in a url",
        "postgres://app:",
        &[Of(ALNUM, 14)],
        "@db.local/main",
    ),
    (
        "authorization header",
        "> Authorization: Bearer ",
        &[Of(ALNUM, 40)],
        "",
    ),
];

#[test]
fn two_hundred_secrets_of_twenty_families_are_masked_by_their_family() {
    let masker = Masker::new().unwrap();
    let mut random = StdRng::seed_from_u64(4);
    let (mut masked, mut missed) = (0, Vec::new());
    for _ in 0..10 {
        for (family, before, shape, after) in PLANTED {
            let secret: String = shape
                .iter()
                .map(|part| match *part {
                    Is(text) => text.to_owned(),
                    Of(alphabet, length) => of(&mut random, alphabet, length),
                })
                .collect();
            let text = format!("$ cat settings\n{before}{secret}{after}\nand more output\n");
            let out = masker.mask(&text);
            assert!(
                out.starts_with("$ cat settings\n") && out.ends_with("\nand more output\n"),
                "{out}"
            );
            if !out.contains(&secret) && out.contains(&format!("[masked: {family}]")) {
                masked += 1;
            } else {
                missed.push((family, out.into_owned()));
            }
        }
    }
    assert!(masked >= 198, "{masked} of 200, not {missed:?}");
}

#[test]
fn what_stands_around_a_secret_stays() {
    let masker = Masker::new().unwrap();
    let token = format!("ghp_{}", of(&mut StdRng::seed_from_u64(5), ALNUM, 36));
    let placeholder = format!("ghp_{}", "x".repeat(36));
    for (text, shown) in [
        (
            format!("git clone https://x:{token}@github.com/a/b"),
            "git clone https://x:[masked: github token]@github.com/a/b".to_owned(),
        ),
        (
            format!("\"{token}\","),
            "\"[masked: github token]\",".to_owned(),
        ),
        (
            "postgres://app:{password}@db".into(),
            "postgres://app:{password}@db".into(),
        ),
        (placeholder.clone(), placeholder),
        ("AKIAIOSFODNN7".into(), "AKIAIOSFODNN7".into()),
    ] {
        assert_eq!(masker.mask(&text), shown);
    }
    assert!(matches!(masker.mask("nothing here"), Cow::Borrowed(_)));
}

/// Ten megabytes of the crates' sources where this machine has them, else this repository's own files, over
/// and over. `docs/sessions.md` says which was measured.
#[allow(clippy::print_stderr)]
#[test]
fn ordinary_source_is_left_alone() {
    const ENOUGH: usize = 10 << 20;
    let masker = Masker::new().unwrap();
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(
        || std::env::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    );
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut bytes, mut lines, mut hits) = (0, 0, Vec::new());
    for folder in [cargo.join("registry/src"), own.clone(), own] {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop().filter(|_| bytes < ENOUGH) {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
                .map(|entries| {
                    entries
                        .filter_map(|entry| Some(entry.ok()?.path()))
                        .collect()
                })
                .unwrap_or_default();
            entries.sort();
            for path in entries {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs")
                    && let Ok(text) = std::fs::read_to_string(&path)
                {
                    bytes += text.len();
                    lines += text.lines().count();
                    let masked = masker.mask(&text);
                    if masked != text {
                        for (before, after) in text.lines().zip(masked.lines()) {
                            if before != after {
                                hits.push(format!("{}: {after}", path.display()));
                            }
                        }
                    }
                }
            }
        }
    }
    eprintln!("{bytes} bytes, {lines} lines, {} hits", hits.len());
    assert!(
        hits.len() * 1000 <= lines,
        "{} of {lines} lines: {hits:#?}",
        hits.len()
    );
}
