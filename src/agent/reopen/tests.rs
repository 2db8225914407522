use super::super::past::retell;
use super::*;
use crate::conversation::CallId;
use crate::harmony::vocab::{CALL, CHANNEL, END, MESSAGE, RETURN, START};
use crate::session::CallEnd;
use std::cell::RefCell;

/// The ids of a text with special tokens spelled out.
fn tokens(vocabulary: &Vocabulary, text: &str) -> Vec<crate::conversation::TokenId> {
    let specials = [
        ("<|channel|>", CHANNEL),
        ("<|message|>", MESSAGE),
        ("<|end|>", END),
        ("<|start|>", START),
        ("<|call|>", CALL),
        ("<|return|>", RETURN),
    ];
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("<|") {
        out.extend(vocabulary.encode_text(&rest[..at]));
        let (name, id) = specials
            .iter()
            .find(|(name, _)| rest[at..].starts_with(name))
            .unwrap();
        out.push(*id);
        rest = &rest[at + name.len()..];
    }
    out.extend(vocabulary.encode_text(rest));
    out
}

/// Turns with reasoning, calls and answers; `spoil` may change or add records.
fn record(turns: u64, spoil: impl Fn(u64, &mut Vec<Record>)) -> (tempfile::TempDir, Unread) {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = Vocabulary::load(folder.path()).unwrap();
    let state = folder.path().join("state");
    let mut writer = Writer::create(&state, folder.path(), "demo", UNIX_EPOCH).unwrap();
    let mut calls = 0;
    for number in 1..=turns {
        let turn = TurnId(number);
        let (prompt, text) = (
            format!("question {number}"),
            format!("word{number} ").repeat(600),
        );
        let ids = |text: &str| {
            let tokens = tokens(&vocabulary, text);
            tokens
                .chunks(7)
                .map(|some| Record::Tokens {
                    tokens: some.to_vec(),
                    last: false,
                })
                .collect::<Vec<_>>()
        };
        let mut records = vec![
            Record::TurnStarted {
                turn,
                prompt: Some(prompt.clone()),
            },
            Item::User { text: prompt }.into(),
        ];
        records.extend(ids(&format!("<|channel|>analysis<|message|>{text}<|end|><|start|>assistant<|channel|>commentary to=functions.shell<|message|>{{}}<|call|>")));
        calls += 1;
        let call = CallId(calls);
        records.extend([
            Record::Output {
                call,
                text: text.clone(),
            },
            Record::CallEnded {
                call,
                end: CallEnd::Completed,
                exit_code: Some(0),
                seconds: 1.0,
            },
            Item::ToolResult {
                call,
                tool: "functions.shell".into(),
                text: text.clone(),
            }
            .into(),
        ]);
        records.extend(ids(&format!(
            "<|channel|>final<|message|>answer {number} {text}<|return|>"
        )));
        records.push(Record::TurnEnded {
            turn,
            usage: Usage::default(),
            end: TurnEnd::Answered,
            seconds: 2.0,
        });
        spoil(number, &mut records);
        for record in records {
            writer.stream(&record).unwrap();
        }
    }
    let unread = Unread::read(writer.path()).unwrap();
    (folder, unread)
}

/// The conversation in pieces, put together again, and what it came to.
fn pieced(unread: &Unread, vocabulary: &Arc<Vocabulary>) -> (Vec<Past>, usize, Whole) {
    let pieces = RefCell::new(Vec::new());
    let tail = unread.tail(TAIL).map(|records| {
        let records = kept(&records);
        pieces
            .borrow_mut()
            .push(retell_part(&records, 0, vocabulary).past);
        records.len()
    });
    let whole = read(unread.clone(), tail, vocabulary, |piece| {
        pieces.borrow_mut().push(match piece {
            Piece::End(told, _) => told.past,
            Piece::Earlier(past) => past,
        });
    });
    let pieces = pieces.into_inner();
    let count = pieces.len();
    (
        pieces.into_iter().rev().flatten().collect(),
        count,
        whole.unwrap(),
    )
}

fn check(name: &str, turns: u64, several: bool, spoil: impl Fn(u64, &mut Vec<Record>)) -> Whole {
    let (folder, unread) = record(turns, spoil);
    let vocabulary = Vocabulary::load(folder.path()).unwrap();
    let loaded = unread.load().unwrap();
    let told = retell(&loaded.records, &vocabulary);
    let (past, pieces, whole) = pieced(&unread, &vocabulary);
    assert_eq!(pieces > 2, several, "{name}: {pieces} pieces");
    assert_eq!(format!("{past:?}"), format!("{:?}", told.past), "{name}");
    let came_to = (&whole.unanswered, whole.unended, whole.calls);
    assert_eq!(
        came_to,
        (&told.unanswered, told.unended, told.calls),
        "{name}"
    );
    assert!(whole.state == State::of(loaded.records), "{name}");
    whole
}

#[test]
fn a_conversation_in_pieces_is_the_whole() {
    check("short", 3, false, |_, _| {});
    check("long", 60, true, |_, _| {});
    check("gone back in the end", 60, true, |number, records| {
        if number == 60 {
            records.push(Record::Rewound {
                turn: TurnId(58),
                undone: Vec::new(),
            });
        }
    });
    check("gone back far", 60, true, |number, records| {
        if number == 59 {
            records.push(Record::Rewound {
                turn: TurnId(20),
                undone: Vec::new(),
            });
        }
    });
    check("begun anew", 60, false, |number, records| {
        if number == 58 {
            records.push(Record::Cleared);
        }
    });
    check("said in between", 60, true, |_, records| {
        let said = Record::Said {
            text: "a notice".into(),
            problem: false,
        };
        records.insert(5, said.clone());
        records.push(said);
    });
}

#[test]
fn what_a_kill_left_open_has_the_numbers_of_the_whole() {
    let whole = check("killed in a call", 60, true, |number, records| {
        if number == 60 {
            let at = records
                .iter()
                .position(|record| matches!(record, Record::CallEnded { .. }));
            records.truncate(at.unwrap());
        }
    });
    assert_eq!(whole.unanswered[0].call, CallId(60));
    assert_eq!((whole.unended, whole.calls), (Some(TurnId(60)), 60));
    // Made and never begun.
    let whole = check("killed before a call", 60, true, |number, records| {
        if number == 60 {
            let at = records
                .iter()
                .position(|record| matches!(record, Record::Output { .. }));
            records.truncate(at.unwrap());
        }
    });
    assert_eq!(whole.unanswered[0].call, CallId(60));
}
