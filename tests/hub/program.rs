//! The program itself: kills, proxies, --offline, and what is on screen.

use crate::stand_in::{Fault, REPO};
use crate::{Rig, names};
use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

fn descant(rig: &Rig, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_descant"));
    for (name, _) in std::env::vars() {
        let upper = name.to_uppercase();
        if upper.ends_with("_PROXY") || upper.starts_with("HF_") || upper.starts_with("XDG_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .current_dir(rig.dir.path())
        .env("HOME", rig.dir.path())
        .env("DESCANT_HOME", rig.dir.path().join("descant"))
        .env("HF_HOME", rig.dir.path())
        .env("HF_ENDPOINT", rig.hub.endpoint())
        .env("HF_TOKEN", "hf_secret")
        .stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn killed_in_the_middle_it_goes_on_where_it_was() {
    let rig = Rig::new();
    // One range of the large file is held; the others come.
    rig.hub.faults([Fault::Hold(1 << 20)]);
    let mut child = descant(&rig, &["models", "pull", REPO])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let blobs = rig.repo().join("blobs");
    let recorded = || {
        let record = names(&blobs)
            .into_iter()
            .find(|n| n.ends_with(".descant-record"));
        record.map_or(0, |name| {
            std::fs::read_to_string(blobs.join(name))
                .unwrap_or_default()
                .lines()
                .count()
        })
    };
    for _ in 0..6_000 {
        // The head, and the five of six chunks that are not held.
        if recorded() == 6 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(recorded(), 6);
    child.kill().unwrap();
    child.wait().unwrap();
    rig.hub.release();
    rig.hub.forget_asked();

    let listed = said(&descant(&rig, &["models"]).output().unwrap());
    assert!(
        listed.contains("someone/tiny\t")
            && listed.contains("unfinished: descant models pull someone/tiny"),
        "{listed}"
    );
    let output = descant(&rig, &["models", "pull", REPO]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("16.8 MB there already"),
        "{}",
        said(&output)
    );
    let asked = rig.hub.asked();
    let of_large = asked
        .iter()
        .filter(|asked| asked.cdn && asked.path.contains("00001-of"));
    // It may be asked for twice: a busy machine loses a connection now and then.
    let ranges: BTreeSet<_> = of_large.map(|asked| &asked.range).collect();
    assert_eq!(
        ranges.len(),
        1,
        "only the range that was in flight comes again: {asked:?}"
    );
    rig.check(&rig.repo().join("snapshots").join(crate::stand_in::COMMIT));
    assert!(
        !said(&output).contains("hf_secret") && !said(&output).contains("signature"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_proxy_is_used_and_left_out_as_the_variables_say() {
    let rig = Rig::new();
    let elsewhere = "http://hub.invalid";
    let proxied = descant(&rig, &["models", "pull", "someone/none"])
        .env("HF_ENDPOINT", elsewhere)
        .env("HTTP_PROXY", rig.hub.endpoint())
        .output()
        .unwrap();
    assert_eq!(proxied.status.code(), Some(4), "{}", said(&proxied));
    assert!(
        said(&proxied).contains("no someone/none on hub.invalid"),
        "{}",
        said(&proxied)
    );
    assert!(
        rig.hub.asked()[0]
            .path
            .starts_with("http://hub.invalid/api/models/someone/none")
    );

    rig.hub.forget_asked();
    let direct = descant(&rig, &["models", "pull", REPO])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    assert!(direct.status.success(), "{}", said(&direct));
}

#[test]
fn a_proxy_for_https_gets_no_token() {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        lines
    });
    let rig = Rig::new();
    let output = descant(&rig, &["models", "pull", REPO])
        .env("HF_ENDPOINT", "https://hub.invalid")
        .env("HTTPS_PROXY", proxy)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = seen.join().unwrap();
    let mut child = output;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(lines[0], "CONNECT hub.invalid:443 HTTP/1.1");
    assert!(
        !lines.iter().any(|line| line.contains("hf_secret")),
        "{lines:?}"
    );
}

#[test]
fn offline_and_bad_names_ask_nobody() {
    let rig = Rig::new();
    for (args, code, words) in [
        (
            vec!["models", "pull", REPO, "--offline"],
            2,
            "--offline forbids",
        ),
        (
            vec!["models", "pull", "gpt-oss-21b"],
            2,
            "openai/gpt-oss-20b",
        ),
        (vec!["models", "pull", "../../etc"], 2, "is no model's name"),
        (
            vec!["models", "rm", "someone/else", "--yes"],
            1,
            "descant models list shows",
        ),
        (vec!["models", "verify", "someone/else"], 4, "not found"),
    ] {
        let output = descant(&rig, &args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    let variable = descant(&rig, &["models", "pull", REPO])
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    assert_eq!(variable.status.code(), Some(2), "{}", said(&variable));
    assert!(rig.hub.asked().is_empty());
}

#[test]
fn verify_and_rm_from_the_command_line() {
    let rig = Rig::new();
    let ok = |args: &[&str]| descant(&rig, args).output().unwrap();
    let output = ok(&["models", "pull", REPO]);
    assert!(
        output.status.success() && said(&output).contains("is ready in"),
        "{}",
        said(&output)
    );
    let verified = ok(&["models", "verify", REPO]);
    // Its bytes are what they should be; that they are no weights is said as well.
    assert!(
        said(&verified).contains("model-00002-of-00002.safetensors: ok"),
        "{}",
        said(&verified)
    );

    let blob = std::fs::canonicalize(rig.repo().join(format!(
        "snapshots/{}/tokenizer.json",
        crate::stand_in::COMMIT
    )))
    .unwrap();
    std::fs::write(&blob, "other").unwrap();
    let verified = ok(&["models", "verify", REPO]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        said(&verified).contains("tokenizer.json: BAD")
            && said(&verified).contains("descant models pull someone/tiny"),
        "{}",
        said(&verified)
    );

    let asked = ok(&["models", "rm", REPO]);
    assert_eq!(asked.status.code(), Some(2), "{}", said(&asked));
    assert!(rig.repo().exists());
    let removed = ok(&["models", "rm", REPO, "--yes"]);
    assert!(
        removed.status.success() && said(&removed).contains("is removed"),
        "{}",
        said(&removed)
    );
    assert!(!rig.repo().exists(), "{:?}", names(&rig.repo()));
}
