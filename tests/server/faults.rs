//! What every fault of a stream comes to.

use super::protocols::llama;
use super::*;
use crate::support::stand_in::*;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_anywhere_keeps_what_came_and_is_not_asked_for_again() {
    let (bytes, ends) = llama("Hi \u{1F99C}, you.");
    let whole = {
        let bytes = bytes.clone();
        let server = Kind::Llama.start(move |_, _| stream(&bytes));
        generate(&engine(target(&server.url)).await, request())
            .await
            .tokens
    };
    // Behind every event, and in the middle of the one after it; an end of the stream, and a broken connection.
    for (event, end) in ends.iter().enumerate().skip(1) {
        for (cut, whole_chunks) in [(*end, true), (*end, false), (*end + 9, false)] {
            let part = bytes[..cut].to_vec();
            let server = Kind::Llama.start(move |_, _| {
                if whole_chunks {
                    stream(&part)
                } else {
                    begin(&part)
                }
            });
            let done = generate(&engine(target(&server.url)).await, request()).await;
            let told = done.tokens.len();
            assert!(
                told >= event && whole.starts_with(&done.tokens),
                "event {event}"
            );
            if event + 1 == ends.len() {
                // The stop token is there: only the counts are missing.
                assert_eq!(done.ended, Ok(StopReason::Stop));
            } else {
                let said = done.error();
                assert!(
                    said.contains(&server.url) && said.contains("cut before its end"),
                    "{said}"
                );
                assert!(
                    said.contains("\n  ") && said.contains("try again"),
                    "{said}"
                );
            }
            assert_eq!(server.generations(Kind::Llama).len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_token_it_is_asked_again() {
    let (bytes, _) = llama("Hi.");
    let error = |status, headers: &str| {
        answer_with(status, headers, &json!({"error": {"message": "busy"}}))
    };
    let faults: [(&str, Vec<Act>); 8] = [
        ("503", error(503, "")),
        ("500", error(500, "")),
        ("502", error(502, "")),
        ("429", error(429, "retry-after: 0\r\n")),
        (
            "529",
            error(529, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        ),
        ("closed", vec![]),
        (
            "cut in the head",
            vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec())],
        ),
        ("cut before a token", begin(b": waiting\n\n")),
    ];
    for (name, fault) in faults {
        let bytes = bytes.clone();
        let server = Kind::Llama.start(move |_, before| {
            if before < 2 {
                fault.clone()
            } else {
                stream(&bytes)
            }
        });
        let done = generate(&engine(target(&server.url)).await, request()).await;
        assert_eq!(done.ended, Ok(StopReason::Stop), "{name}");
        assert_eq!(
            (server.generations(Kind::Llama).len(), done.notices.len()),
            (3, 2),
            "{name}"
        );
        assert!(
            done.notices[0].contains(&server.url) && done.notices[0].contains("attempt 2 of 3"),
            "{:?}",
            done.notices
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_is_not_asked_again() {
    let faults = [
        (
            answer(503, &json!({"error": {"message": "busy"}})),
            3,
            "503 Service Unavailable",
            "try again",
        ),
        (
            answer_with(429, "retry-after: 3600\r\n", &json!({"error": "quota"})),
            1,
            "try again in 3600 seconds",
            "try again",
        ),
        (
            answer(
                400,
                &json!({"error": {"message": "the request exceeds the available context size"}}),
            ),
            1,
            "400 Bad Request",
            "/compact",
        ),
        (
            answer(404, &json!({"detail": "no such model"})),
            1,
            "no such model",
            "descant models list",
        ),
        (
            answer(401, &json!({"message": "who are you"})),
            1,
            "401 Unauthorized",
            "set DESCANT_API_KEY",
        ),
        (answer(413, &json!(null)), 1, "413", "/compact"),
        (
            answer(
                500,
                &json!({"error": {"message": "tools param requires --jinja flag"}}),
            ),
            1,
            "--jinja",
            "takes no tools",
        ),
        (
            answer(200, &json!({"error": {"message": "model is broken"}})),
            1,
            "model is broken",
            "log",
        ),
        (
            answer(200, &json!({"hello": 1})),
            1,
            "not a stream of events but application/json",
            "model server",
        ),
        (
            stream(b"data: {\"choices\":[{\"del\n\n"),
            1,
            "no JSON",
            "model server",
        ),
        (
            stream(b"data: {\"error\":{\"message\":\"CUDA out of memory\"}}\n\n"),
            1,
            "CUDA out of memory",
            "log",
        ),
        (
            stream(b"data: {\"content\":\"Hi\",\"stop\":false}\n\n"),
            1,
            "without the ids",
            "protocol",
        ),
        (
            stream(&[b"data: \"\xff\xfe".as_slice(), b"\n\n"].concat()),
            1,
            "no JSON",
            "model server",
        ),
    ];
    for (fault, attempts, what, hint) in faults {
        let server = Kind::Llama.start(move |_, _| fault.clone());
        let done = generate(&engine(target(&server.url)).await, request()).await;
        let said = done.error();
        let (first, next) = said.split_once('\n').unwrap();
        assert!(
            first.starts_with(&server.url) && first.contains(what),
            "{said}"
        );
        assert!(next.contains(hint), "{said}");
        assert_eq!(server.generations(Kind::Llama).len(), attempts, "{said}");
        assert!(done.tokens.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up() {
    let (bytes, ends) = llama("Hi there.");
    let part = bytes[..ends[3]].to_vec();
    for (acts, tokens, what) in [
        (vec![Act::Hang], 0, "no token came within"),
        (
            [begin(b": ping\n\n"), vec![Act::Hang]].concat(),
            0,
            "no token came within",
        ),
        (
            [begin(&part), vec![Act::Hang]].concat(),
            3,
            "stood still for",
        ),
        // Comments are no tokens, however many come.
        (
            [
                begin(&part),
                vec![Act::Flood(b"8\r\n: ping\n\n\r\n".to_vec())],
            ]
            .concat(),
            3,
            "stood still for",
        ),
    ] {
        let server = Kind::Llama.start(move |_, _| acts.clone());
        let mut target = target(&server.url);
        target.profile.timeouts.first_token = Duration::from_secs(3);
        target.profile.timeouts.idle = Duration::from_secs(1);
        let done = generate(&engine(target).await, request()).await;
        assert!(done.error().contains(what), "{}", done.error());
        assert_eq!(done.tokens.len(), tokens);
        server.wait_closed(1);
        assert_eq!(server.generations(Kind::Llama).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_every_token_closes_the_connection() {
    let (bytes, ends) = llama("Hi you.");
    for end in &ends {
        let part = bytes[..*end].to_vec();
        let count = ends.iter().position(|other| other == end).unwrap();
        let server = Kind::Llama.start(move |_, _| [begin(&part), vec![Act::Hang]].concat());
        let engine = engine(target(&server.url)).await;
        let request = request();
        let cancel = request.cancel.clone();
        let mut events = engine.generate(request);
        let (mut seen, mut stop) = (0, None);
        if count == 0 {
            cancel.cancel();
        }
        while let Some(event) = events.recv().await {
            match event {
                EngineEvent::Tokens(tokens) => {
                    seen += tokens.len();
                    if seen == count {
                        cancel.cancel();
                    }
                }
                EngineEvent::Finished {
                    tokens, stop: how, ..
                } => {
                    assert_eq!(tokens.len(), count);
                    stop = Some(how);
                }
                EngineEvent::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
        let whole = count + 1 == ends.len();
        assert_eq!(
            stop,
            Some(if whole {
                StopReason::Stop
            } else {
                StopReason::Cancelled
            })
        );
        // One that was cancelled before it was sent leaves nothing to close.
        if count > 0 {
            server.wait_closed(1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_closes_the_connection_and_a_wait_ends_with_the_user() {
    let (bytes, ends) = llama("Hi you.");
    let part = bytes[..ends[2]].to_vec();
    let server = Kind::Llama.start(move |_, _| [begin(&part), vec![Act::Hang]].concat());
    let engine = engine(target(&server.url)).await;
    let mut events = engine.generate(request());
    while !matches!(events.recv().await, Some(EngineEvent::Tokens(_))) {}
    drop(events);
    server.wait_closed(1);
    // While it waits to ask again.
    let busy = Kind::Llama.start(|_, _| answer_with(429, "retry-after: 50\r\n", &json!({})));
    let engine = super::engine(target(&busy.url)).await;
    let request = request();
    let cancel = request.cancel.clone();
    let mut events = engine.generate(request);
    while !matches!(events.recv().await, Some(EngineEvent::Notice(_))) {}
    cancel.cancel();
    let last = events.recv().await;
    assert!(
        matches!(
            last,
            Some(EngineEvent::Finished {
                stop: StopReason::Cancelled,
                ..
            })
        ),
        "{last:?}"
    );
    assert_eq!(busy.generations(Kind::Llama).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_is_bounded() {
    let line = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for (kind, acts) in [
        (
            Kind::Llama,
            [begin(b"data: "), vec![Act::Flood(line.clone())]].concat(),
        ),
        (Kind::Chat, [begin(b""), vec![Act::Flood(line)]].concat()),
    ] {
        let server = kind.start(move |_, _| acts.clone());
        let done = generate(&engine(target(&server.url)).await, request()).await;
        assert!(done.error().contains("more than 4 MiB"), "{}", done.error());
        server.wait_closed(1);
    }
    // A list of models without end is no list.
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[".to_vec();
    let server =
        StandIn::start(move |_, _| vec![Act::Send(head.clone()), Act::Flood(vec![b'['; 0x10000])]);
    let error = connect(target(&server.url), vocabulary(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no list of models"), "{error}");
    server.wait_closed(1);
    // Tokens without end are more than were asked for.
    let one = event(&json!({"content": "a", "tokens": [64], "stop": false}));
    let many = [format!("{:x}\r\n", one.len()).as_bytes(), &one, b"\r\n"].concat();
    let server =
        Kind::Llama.start(move |_, _| [begin(b""), vec![Act::Flood(many.clone())]].concat());
    let done = generate(&engine(target(&server.url)).await, request()).await;
    assert_eq!(
        (done.ended, done.tokens.len()),
        (Ok(StopReason::Length), 500)
    );
    server.wait_closed(1);
}
