use super::*;
use crate::conversation::{CallId, TurnId};

fn said(events: Vec<AgentEvent>) -> String {
    let mut speech = Speech::new("demo");
    let mut out = String::new();
    for (n, event) in events.into_iter().enumerate() {
        out += &speech.event(event, Duration::from_secs(n as u64));
    }
    out
}

fn deltas(text: &str, size: usize) -> Vec<AgentEvent> {
    let chars: Vec<char> = text.chars().collect();
    let parts = chars.chunks(size);
    parts
        .map(|part| AgentEvent::AnswerDelta(part.iter().collect()))
        .collect()
}

#[test]
fn an_answer_is_said_once_and_whole_however_it_comes() {
    let answer = "I changed `a.b`. It works! See:\n\n```py\nx = 1. + 2\n```\nEnd without a stop";
    let sizes = [1, 2, 3, 7, 100].map(|size| (answer, size));
    for (answer, size) in sizes.into_iter().chain([("Short.", 3)]) {
        let mut events = deltas(answer, size);
        events.push(AgentEvent::AnswerDone {
            text: answer.into(),
            last: true,
        });
        assert_eq!(said(events), format!("Answer:\n{answer}\n"), "{size}");
    }
    let whole = vec![AgentEvent::AnswerDone {
        text: answer.into(),
        last: true,
    }];
    assert_eq!(said(whole), format!("Answer:\n{answer}\n"));
}

#[test]
fn nothing_is_said_in_the_middle_of_a_sentence_or_a_line_of_code() {
    let mut speech = Speech::new("demo");
    let mut say = |text: &str| speech.event(AgentEvent::AnswerDelta(text.into()), Duration::ZERO);
    assert_eq!(say("One sen"), "Answer:\n");
    assert_eq!(say("tence. And ano"), "One sentence. ");
    assert_eq!(say("ther\n```\nlet a = "), "And another\n```\n");
    assert_eq!(say("f. x"), "");
    assert_eq!(say("();\n"), "let a = f. x();\n");
}

#[test]
fn a_turn_in_words() {
    let call = CallId(1);
    let turn = TurnId(1);
    let finished = |status, output: &str, exit_code| AgentEvent::ToolFinished {
        call,
        status,
        output: output.into(),
        exit_code,
        elapsed: Duration::ZERO,
    };
    let started = |tool: &str, arguments: &str, summary: &str| AgentEvent::ToolStarted {
        call,
        tool: tool.into(),
        arguments: arguments.into(),
        summary: summary.into(),
    };
    let many: String = (1..=22).map(|n| format!("line {n}\n")).collect();
    let events = vec![
        AgentEvent::TurnStarted {
            turn,
            prompt: "go".into(),
        },
        AgentEvent::ReasoningDelta("Hm".into()),
        AgentEvent::ReasoningDelta(", so".into()),
        AgentEvent::ReasoningDone("Hm, so\nit is".into()),
        started("functions.read_file", "{}", "read a.py"),
        finished(ToolStatus::Completed, "text", None),
        started("python", "print(1)\n", "run 1 line of Python"),
        AgentEvent::ToolOutput { call, text: many },
        finished(ToolStatus::Failed, "", Some(1)),
        started("functions.search", "{}", "search for x"),
        finished(ToolStatus::Failed, "no such folder\nat all", None),
        AgentEvent::TurnDone {
            turn,
            usage: Usage {
                generated_tokens: 9,
                ..Usage::default()
            },
            answered: true,
        },
    ];
    let lines: String = (1..=20).map(|n| format!("  line {n}\n")).collect();
    let expected = format!(
        "Thinking.\nThought for 2s: 2 lines; /reasoning reads them.\nTool read_file: read a.py.\n\
             Tool python: run 1 line of Python.\n  print(1)\nOutput:\n{lines}\
             And 2 more lines, which are on record: descant sessions show.\nIt failed with exit code 1.\n\
             Tool search: search for x.\nIt failed: no such folder\nDone in 11s, 9 tokens.\n"
    );
    assert_eq!(said(events), expected);
}
