use super::*;

/// Runs `command`; with `interrupt` until it has shown something and `interrupt` is in what was shown.
async fn ran(command: &str, interrupt: Option<&str>) -> (Vec<AgentEvent>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (sender, mut events) = mpsc::channel(64);
    let root = folder.path().canonicalize().unwrap();
    let mut shell = UserShell::new("/bin/sh".into(), root.clone(), sender);
    shell.start(command.into()).unwrap();
    assert!(shell.start("true".into()).is_err(), "one at a time");
    let mut seen = Vec::new();
    let finished = loop {
        tokio::select! {
            Some(event) = events.recv() => {
                seen.push(event);
                if interrupt.is_some_and(|word| shown(&seen).contains(word)) {
                    assert!(shell.interrupt());
                }
            }
            finished = shell.finished() => break finished.unwrap(),
        }
    };
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    seen.push(finished.event);
    let Item::Attached { name, text } = finished.item else {
        panic!("{seen:?}");
    };
    assert_eq!(name, format!("! {command}"));
    assert!(!shell.interrupt(), "nothing runs any more");
    (seen, text.replace(root.to_str().unwrap(), "ROOT"))
}

fn shown(events: &[AgentEvent]) -> String {
    let text = |event: &AgentEvent| match event {
        AgentEvent::ShellOutput { text, .. } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

fn end(events: &[AgentEvent]) -> ShellEnd {
    match events.last() {
        Some(AgentEvent::ShellFinished { end, .. }) => *end,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_runs_in_the_root_and_both_of_its_streams_come_in_order() {
    let command = "pwd; echo one; echo two >&2; echo three; cat; exit 3";
    let (events, text) = ran(command, None).await;
    assert!(shown(&events).ends_with("\none\ntwo\nthree\n"));
    assert_eq!(end(&events), ShellEnd::Exited(3));
    assert!(text.contains("exit code 3"), "{text}");
    assert!(text.contains("```\nROOT\none\ntwo\nthree\n```"), "{text}");
}

#[tokio::test]
async fn an_interrupt_reaches_what_the_command_started() {
    let (events, text) = ran("echo begun; sleep 1000; echo never", Some("begun")).await;
    assert_eq!(shown(&events), "begun\n");
    assert_eq!(end(&events), ShellEnd::Interrupted);
    assert!(text.contains("The user interrupted it"), "{text}");
}

#[tokio::test]
async fn one_that_ignores_the_interrupt_is_killed() {
    let command = "trap '' INT; echo begun; while true; do sleep 0.05; done";
    let (events, _) = ran(command, Some("begun")).await;
    assert_eq!(end(&events), ShellEnd::Interrupted);
}

#[tokio::test]
async fn what_it_leaves_behind_does_not_hold_it() {
    let (events, _) = ran("sleep 30 & echo left; exit 0", None).await;
    assert_eq!(shown(&events), "left\n");
    assert_eq!(end(&events), ShellEnd::Exited(0));
}

#[tokio::test]
async fn endless_output_is_interrupted_and_bounded() {
    let (events, text) = ran("yes", Some("bytes not shown")).await;
    assert_eq!(end(&events), ShellEnd::Interrupted);
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.contains("bytes left out"), "{text}");
}

#[tokio::test]
async fn a_shell_that_is_not_there_is_named() {
    let (sender, mut events) = mpsc::channel(64);
    let mut shell = UserShell::new("/no/such/shell".into(), "/".into(), sender);
    shell.start("ls".into()).unwrap();
    let item = shell.finished().await;
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(
        shown(&seen).contains("/no/such/shell did not start"),
        "{seen:?}"
    );
    assert!(item.is_some());
}
