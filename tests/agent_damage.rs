//! Streams without sense: whatever the model generates, the turn ends, nothing is written, and the
//! conversation goes on with a history that is valid Harmony.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::AgentCommand;
use descant::engine::scripted::Accident;

const PIECES: [&str; 18] = [
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|constrain|>",
    "<|call|>",
    "<|return|>",
    "assistant",
    "user",
    "final",
    "analysis",
    "commentary",
    " to=functions.read_file",
    " to=functions.apply_patch",
    " to=python",
    "{\"path\":\"a.txt\"}",
    "*** Begin Patch\n*** Delete File: a.txt\n",
    "\u{1F600}",
];

/// A small linear congruential generator (Knuth's MMIX constants): the same streams in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn senseless_streams_end_and_harm_nothing() {
    check("senseless_streams_end_and_harm_nothing", async {
        const STREAMS: usize = 200;
        let mut dice = Dice(20_261_120);
        let streams: Vec<String> = (0..STREAMS)
            .map(|_| {
                (0..1 + dice.throw(12))
                    .map(|_| PIECES[dice.throw(PIECES.len())])
                    .collect()
            })
            .collect();
        let mut setup = setup(streams);
        for generation in &mut setup.script.generations {
            generation.accident = match dice.throw(12) {
                0 => Some(Accident::Fail(dice.throw(8))),
                1 => Some(Accident::Die(dice.throw(8))),
                _ => None,
            };
        }
        // Without a container, python is refused like everything else that has no sense here.
        setup.python = Err("none");
        let mut rig = setup.start();
        let before = tree(rig.dir.path());
        let mut turns = 0;
        while rig.engine.generations_left() > 0 {
            turns += 1;
            if turns % 20 == 0 {
                rig.send(AgentCommand::NewConversation).await;
            }
            let told = rig.turn("Go on.").await;
            assert!(!told.last().unwrap().contains("our bug"), "{told:?}");
            valid(&rig.engine.prompts().pop().unwrap());
        }
        assert!(turns > STREAMS / 10, "{turns}");
        assert_eq!(tree(rig.dir.path()), before);
    });
}

/// Each of our own messages stands where a message may begin, and a call is followed by its result.
fn valid(prompt: &str) {
    let (_, history) = prompt.split_once("<|start|>user<|message|>").unwrap();
    for ours in [
        "<|start|>user<|message|>Go on.",
        "<|start|>functions.",
        "<|start|>python to=assistant",
    ] {
        for (at, _) in history.match_indices(ours) {
            let before = &history[..at];
            let ended = before.ends_with("<|end|>") || before.ends_with("<|call|>");
            assert!(ended, "{ours} after {before}");
        }
    }
    for (at, _) in history.match_indices("<|call|>") {
        let after = &history[at + "<|call|>".len()..];
        let answered = after.starts_with("<|start|>functions.")
            || after.starts_with("<|start|>python to=assistant");
        // A message for the user that ends like a call is no call.
        let message = history[..at].rsplit("<|start|>").next().unwrap();
        let header = message.split("<|message|>").next().unwrap();
        let called = message.contains("<|message|>")
            && header.starts_with("assistant")
            && header.contains(" to=");
        assert!(answered || !called, "{message}<|call|>{after}");
    }
    assert!(prompt.ends_with("<|start|>assistant"));
}
