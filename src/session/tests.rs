use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn user(text: &str) -> Item {
    Item::User { text: text.into() }
}

fn some_items() -> Vec<Item> {
    vec![
        user("hello\u{2028}there \"quoted\"\nand more"),
        Item::Attached {
            name: "src/a b.rs".into(),
            text: "src/a b.rs:\n```\n\u{1b}[2J\n```".into(),
        },
        Item::Generated {
            tokens: vec![200_005, 35_644, 200_008, 1, 200_012],
        },
        Item::ToolResult {
            call: crate::conversation::CallId(1),
            tool: "functions.search".into(),
            text: "a.rs:1:fn\0main".into(),
        },
    ]
}

fn resume(path: &Path) -> Result<(Writer, Loaded), SessionError> {
    let shelf = Shelf {
        state_dir: path.parent().unwrap().parent().unwrap().to_owned(),
        workspace: "/repo".into(),
        model: "demo".into(),
        branch: None,
    };
    let (writer, unread) = std::sync::Arc::new(shelf).resume(path)?;
    Ok((writer, unread.load()?))
}

fn items(path: &Path) -> Vec<Item> {
    load(path).unwrap().into_state().into_items()
}

fn written(state: &Path) -> (Writer, Vec<Item>) {
    let mut writer = Writer::create(state, Path::new("/repo"), "demo", at(1_795_200_780)).unwrap();
    writer
        .append(&Record::TurnStarted {
            turn: TurnId(1),
            prompt: None,
        })
        .unwrap();
    for item in some_items() {
        writer.append(&item.into()).unwrap();
    }
    let end = TurnEnd::Failed {
        error: "it broke".into(),
    };
    writer
        .append(&Record::TurnEnded {
            turn: TurnId(1),
            usage: Usage::default(),
            end,
            seconds: 1.5,
        })
        .unwrap();
    (writer, some_items())
}

#[test]
fn what_is_written_is_read_back() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state/descant");
    let (writer, items) = written(&state);
    let loaded = load(writer.path()).unwrap();
    assert_eq!(loaded.clone().into_state().items(), items);
    assert_eq!(loaded.clone().into_state().turns(), 1);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(
        loaded.head,
        Head {
            descant_session: VERSION,
            id: writer.id().clone(),
            created: 1_795_200_780,
            workspace: "/repo".into(),
            model: "demo".into(),
            branch: None,
            parent: None,
        }
    );
    assert_eq!(
        recent(&state).unwrap(),
        [(loaded.head, writer.path().to_owned())]
    );
}

#[test]
fn ids_sort_by_time_and_name_no_folder() {
    let id = SessionId::new(at(1_795_200_780), 0x3fa2_b1c4);
    assert_eq!(id.as_str(), "20261120T185300Z-3fa2b1c4");
    assert!(SessionId::new(at(1_795_200_779), u32::MAX) < id);
    assert_eq!(
        SessionId::new(at(951_782_400), 0).as_str(),
        "20000229T000000Z-00000000"
    );
    assert_eq!(
        SessionId::new(at(4_107_542_399), 0).as_str(),
        "21000228T235959Z-00000000"
    );
    assert_eq!(utc_date(at(1_795_200_780)), "2026-11-20");
    for bad in ["", "../x", "a/b", "-rf", "a.b", "a b", &"a".repeat(65)] {
        assert_eq!(SessionId::parse(bad), None, "{bad}");
    }
    assert_eq!(SessionId::parse(id.as_str()), Some(id));
}

#[test]
fn only_the_owner_may_read() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("descant");
    // As a loose umask or an older program would have left them.
    fs::create_dir_all(state.join("sessions")).unwrap();
    for folder in [state.clone(), state.join("sessions")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let (writer, _) = written(&state);
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("sessions")), 0o700);
    assert_eq!(mode(writer.path()), 0o600);
    fs::set_permissions(writer.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let path = writer.path().to_owned();
    drop(writer);
    let again = resume(&path).unwrap().0;
    assert_eq!(mode(again.path()), 0o600);
}

#[test]
fn a_linked_state_folder_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let create = |state: &Path| Writer::create(state, Path::new("/repo"), "demo", at(0));

    let linked = home.path().join("linked");
    symlink(&elsewhere, &linked).unwrap();
    assert!(matches!(create(&linked), Err(SessionError::Symlink(path)) if path == linked));

    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    symlink(&elsewhere, state.join("sessions")).unwrap();
    assert!(
        matches!(create(&state), Err(SessionError::Symlink(path)) if path == state.join("sessions"))
    );

    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(create(&file), Err(SessionError::NotAFolder(path)) if path == file));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_foreign_state_folder_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    // Giving a folder away needs root, as which the build machines run; elsewhere there is nothing to see.
    if std::os::unix::fs::chown(&state, Some(12_345), None).is_err() {
        return;
    }
    let refused = Writer::create(&state, Path::new("/repo"), "demo", at(0));
    assert!(matches!(refused, Err(SessionError::ForeignOwner(path)) if path == state));
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn a_record_cut_at_every_byte_loses_at_most_its_last_line() {
    let home = tempfile::tempdir().unwrap();
    let (writer, items) = written(&home.path().join("descant"));
    let whole = fs::read(writer.path()).unwrap();
    let head = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let cut = home.path().join("cut.jsonl");
    for length in 0..=whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        if length < head {
            assert!(
                matches!(load(&cut), Err(SessionError::NotASession { .. })),
                "{length}"
            );
            continue;
        }
        let loaded = load(&cut).unwrap();
        // Lines that are whole, with or without their newline.
        let text = &whole[..length];
        let complete = text.iter().filter(|byte| **byte == b'\n').count();
        let at_least = complete.saturating_sub(2).min(items.len());
        let found = loaded.clone().into_state().into_items();
        assert!(found.len() >= at_least, "{length}");
        assert_eq!(found, items[..found.len()], "{length}");
        let begun = text.rsplit(|byte| *byte == b'\n').next().unwrap();
        let of_line = whole.split(|byte| *byte == b'\n').nth(complete).unwrap();
        let torn = !begun.is_empty() && begun != of_line;
        assert_eq!(loaded.warnings.len(), usize::from(torn), "{length}");

        // What is appended next is read back, whatever stands before it.
        let mut again = resume(&cut).unwrap().0;
        again.append(&user("next").into()).unwrap();
        let after = self::items(&cut);
        assert_eq!(after.last(), Some(&user("next")), "{length}");
        assert_eq!(after.len(), found.len() + 1, "{length}");
    }
}

#[test]
fn nul_blocks_fused_lines_and_noise_cost_no_other_line() {
    let home = tempfile::tempdir().unwrap();
    let (writer, items) = written(&home.path().join("descant"));
    let whole = fs::read_to_string(writer.path()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = home.path().join("damaged.jsonl");

    let mut text = format!("{}\n{}\n{}{}\n", lines[0], lines[1], lines[2], lines[3]);
    text.push_str(&"\0".repeat(4096));
    text.push_str(lines[4]);
    text.push_str("\nnot json\n");
    text.push_str(lines[5]);
    text.push('\n');
    fs::write(&damaged, text).unwrap();
    let loaded = load(&damaged).unwrap();
    assert_eq!(loaded.clone().into_state().items(), items);
    let place = damaged.display();
    assert_eq!(
        loaded.warnings,
        [
            format!("{place}: line 4 is damaged and was left out"),
            format!("{place}: line 5 is damaged and was left out"),
        ]
    );
}

#[test]
fn a_cleared_conversation_begins_anew() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, _) = written(&home.path().join("descant"));
    writer.append(&Record::Cleared).unwrap();
    writer.append(&user("fresh").into()).unwrap();
    assert_eq!(items(writer.path()), [user("fresh")]);
}

#[test]
fn other_files_and_newer_formats_are_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.jsonl");
    fs::write(&path, "{\"descant_session\":3,\"whatever\":true}\n").unwrap();
    assert!(matches!(
        load(&path),
        Err(SessionError::TooNew { found: 3, .. })
    ));
    fs::write(&path, "{\"type\":\"other\"}\n").unwrap();
    assert!(matches!(load(&path), Err(SessionError::NotASession { .. })));
    assert!(matches!(
        load(&home.path().join("none.jsonl")),
        Err(SessionError::Io { .. })
    ));
    assert_eq!(recent(home.path()).unwrap(), []);
}

#[test]
fn a_second_writer_is_refused_and_may_fork() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, items) = written(&home.path().join("descant"));
    let path = writer.path().to_owned();
    assert!(matches!(resume(&path), Err(SessionError::InUse(id)) if id == *writer.id()));
    let mut fork = writer.shelf().fork(&path, at(1_795_200_999)).unwrap();
    // From here on both are written, and neither reads the other.
    for n in 0..100 {
        writer.append(&user(&format!("ours {n}")).into()).unwrap();
        fork.append(&user(&format!("theirs {n}")).into()).unwrap();
    }
    let read = |path: &Path| {
        let loaded = load(path).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
        loaded.into_state().into_items()
    };
    let (ours, theirs) = (read(&path), read(fork.path()));
    assert_eq!(ours[..items.len()], theirs[..items.len()]);
    assert_eq!(
        (ours.len(), theirs.len()),
        (items.len() + 100, items.len() + 100)
    );
    assert_eq!(ours.last(), Some(&user("ours 99")));
    assert_eq!(theirs.last(), Some(&user("theirs 99")));
    assert_eq!(
        load(fork.path()).unwrap().head.parent.as_ref(),
        Some(writer.id())
    );
    drop(writer);
    assert!(resume(&path).is_ok());
}

#[test]
fn two_programs_that_write_without_a_lock_cost_at_most_a_line() {
    let home = tempfile::tempdir().unwrap();
    let (writer, items) = written(&home.path().join("descant"));
    let path = writer.path().to_owned();
    drop(writer);
    let threads: Vec<_> = (0..2)
        .map(|who| {
            let path = path.clone();
            std::thread::spawn(move || {
                use std::io::Write;
                let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                for n in 0..200 {
                    let record: Record = user(&format!("{who} {n}")).into();
                    let mut line = serde_json::to_vec(&record).unwrap();
                    line.push(b'\n');
                    file.write_all(&line).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let loaded = load(&path).unwrap();
    assert!(loaded.warnings.len() <= 1, "{:?}", loaded.warnings);
    let all = loaded.into_state().into_items();
    assert!(all.len() >= items.len() + 399, "{}", all.len());
}

#[test]
fn a_full_disk_is_said_and_costs_no_earlier_line() {
    let home = tempfile::tempdir().unwrap();
    let (writer, items) = written(&home.path().join("descant"));
    let path = writer.path().to_owned();
    drop(writer);
    // The device that is always full.
    let mut full = Writer::on(
        fs::OpenOptions::new()
            .append(true)
            .open("/dev/full")
            .unwrap(),
    );
    let error = full.append(&user("lost").into()).unwrap_err().to_string();
    assert!(
        error.contains("No space left on device") && error.contains("check the free space"),
        "{error}"
    );
    // What a full disk took of a line, and the next append when there is room again.
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(br#"{"record":"item","entry":{"item":"us"#);
    fs::write(&path, bytes).unwrap();
    let (mut again, loaded) = resume(&path).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    again.append(&user("next").into()).unwrap();
    let after = self::items(&path);
    assert_eq!(
        (after.len(), after.last()),
        (items.len() + 1, Some(&user("next")))
    );
}

#[test]
fn a_record_of_version_1_is_read() {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join("sessions");
    fs::create_dir(&sessions).unwrap();
    let path = sessions.join("20260101T000000Z-00000001.jsonl");
    let lines = [
        r#"{"descant_session":1,"id":"20260101T000000Z-00000001","created":1767225600,"workspace":"/repo","model":"demo"}"#,
        r#"{"record":"turn_started","turn":1}"#,
        r#"{"record":"item","entry":{"item":"user","text":"an old question"}}"#,
        r#"{"record":"item","entry":{"item":"generated","tokens":[1,2]}}"#,
        r#"{"record":"turn_ended","turn":1,"usage":{"prompt_tokens":1,"cached_tokens":0,"generated_tokens":2,"reasoning_tokens":0,"prefill_seconds":0.0,"decode_seconds":0.0},"end":{"how":"answered"}}"#,
        r#"{"record":"cleared"}"#,
        r#"{"record":"turn_started","turn":2}"#,
        r#"{"record":"item","entry":{"item":"user","text":"a new one"}}"#,
    ];
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let state = loaded.into_state();
    assert_eq!(state.items(), [user("a new one")]);
    assert_eq!(state.turns(), 2);
    let all = summaries(home.path()).unwrap();
    assert_eq!((all[0].title.as_str(), all[0].messages), ("a new one", 1));
}

#[test]
fn going_back_leads_through_compactions() {
    let turn = |n, text: &str| {
        let asked = Record::TurnStarted {
            turn: TurnId(n),
            prompt: Some(text.into()),
        };
        [asked, user(text).into()]
    };
    let mut state = State::default();
    for record in turn(1, "one").into_iter().chain(turn(2, "two")) {
        state.take(record);
    }
    state.take(Record::Compacted {
        items: vec![user("two"), user("the summary")],
        tokens_before: 9,
        tokens_after: 5,
    });
    for record in turn(3, "three") {
        state.take(record);
    }
    let rewound = |state: &State, to| {
        let mut state = state.clone();
        state.take(Record::Rewound {
            turn: TurnId(to),
            undone: Vec::new(),
        });
        (state.items().to_vec(), state.marks().count())
    };
    let summary = vec![user("two"), user("the summary")];
    assert_eq!(rewound(&state, 9), (state.items().to_vec(), 3));
    assert_eq!(rewound(&state, 3), (summary, 2));
    assert_eq!(rewound(&state, 2), (vec![user("one")], 1));
    assert_eq!(rewound(&state, 1), (vec![], 0));
}
