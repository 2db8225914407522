//! A conversation at a server whose stream ends anywhere: what is on record is what came, and a resumed conversation
//! sends the same ids as the one that went on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;
#[path = "support/stand_in.rs"]
mod stand_in;

use agent_support::*;
use descant::agent::AgentCommand;
use descant::conversation::{Item, TokenId};
use descant::engine::Engine;
use descant::engine::scripted::encode_spelled;
use descant::engine::server::address::Address;
use descant::engine::server::connect;
use descant::engine::server::profile::{Profile, Target};
use descant::session;
use serde_json::json;
use stand_in::{Act, Kind, StandIn, begin, event, stream};
use std::sync::Arc;
use std::time::Duration;

/// What the model says, with a call that is cut at most places.
fn said() -> Vec<TokenId> {
    let text = reason("Look \u{1F99C}.") + &call("read_file", r#"{"path":"a.txt"}"#);
    encode_spelled(&text, &vocabulary())
}

fn events(ids: &[TokenId]) -> Vec<u8> {
    ids.iter()
        .flat_map(|id| event(&json!({"content": "", "tokens": [id], "stop": false})))
        .collect()
}

/// An engine whose first generation is `first`, and which answers every other.
async fn served(first: Vec<Act>) -> (Arc<dyn Engine>, StandIn) {
    let answered = encode_spelled(&answer("Fine."), &vocabulary());
    let server = Kind::Llama.start(move |_, before| match before {
        0 => first.clone(),
        _ => {
            let end = json!({"content": "", "tokens": [], "stop": true, "stop_type": "eos"});
            stream(&[events(&answered), event(&end)].concat())
        }
    });
    let mut profile = Profile::at(Address::parse(&server.url).unwrap(), None);
    profile.timeouts.idle = Duration::from_millis(300);
    profile.timeouts.first_token = Duration::from_millis(300);
    profile.retries = 0;
    let target = Target {
        model: None,
        server: "stand-in".into(),
        profile,
    };
    (
        Arc::new(connect(target, vocabulary(), |_| {}).await.unwrap()),
        server,
    )
}

fn rig(engine: Arc<dyn Engine>) -> Setup {
    let mut rig = setup([""; 0]);
    rig.served = Some(engine);
    rig.record = true;
    rig
}

/// The ids of the last prompt.
fn last_prompt(server: &StandIn) -> serde_json::Value {
    server.generations(Kind::Llama).pop().unwrap().body["prompt"].clone()
}

#[test]
fn a_stream_that_ends_at_any_token_leaves_a_record_that_goes_on() {
    check(
        "a_stream_that_ends_at_any_token_leaves_a_record_that_goes_on",
        async {
            let ids = said();
            // All but the last: with that the call is whole, and made.
            for came in 0..ids.len() {
                let part = events(&ids[..came]);
                let stalls = [begin(&part), vec![Act::Hang]].concat();
                for (how, first) in [
                    ("dropped", begin(&part)),
                    ("ended", stream(&part)),
                    ("stalled", stalls),
                ] {
                    let (engine, server) = served(first).await;
                    let mut one = rig(engine).start();
                    let told = one.turn("Look").await;
                    assert!(
                        told.last().unwrap().starts_with("failed: "),
                        "{how} after {came}: {told:?}"
                    );
                    let path = one.session.clone().unwrap();
                    one.turn("And now?").await;
                    let expected = last_prompt(&server);

                    // What is on record of the broken generation is what came.
                    let state = session::load(&path).unwrap().into_state();
                    let generated = state.items().iter().find_map(|item| match item {
                        Item::Generated { tokens } => Some(tokens.clone()),
                        _ => None,
                    });
                    let kept = if came == 0 {
                        encode_spelled(&answer("Fine."), &vocabulary())
                    } else {
                        ids[..came].to_vec()
                    };
                    assert_eq!(generated, Some(kept), "{how} after {came}");

                    // In another process, the same conversation as it was then, asked the same.
                    let (dir, home) = one.end().await;
                    let (engine, server) = served(stream(b"")).await;
                    let mut again = rig(engine);
                    (again.dir, again.home) = (Some(dir), Some(home));
                    let mut two = again.start();
                    two.send(AgentCommand::Resume(path)).await;
                    let turn = descant::conversation::TurnId(2);
                    two.send(AgentCommand::Rewind { turn, files: false }).await;
                    two.turn("And now?").await;
                    assert_eq!(last_prompt(&server), expected, "{how} after {came}");
                    two.end().await;
                }
            }
        },
    );
}
