use super::*;

#[test]
fn a_notice_in_between_does_not_double_an_answer() {
    let mut transcript = Transcript::default();
    transcript.answer_delta("one ");
    transcript.problem("cannot undo now");
    transcript.answer_delta("two");
    transcript.answer_done("one two");
    let answers: Vec<_> = transcript
        .cells()
        .iter()
        .filter_map(|c| match &c.body {
            Body::Answer { text, open } => Some((text.as_str(), *open)),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [("one two", false)]);
}

#[test]
fn a_finished_answer_that_streamed_is_not_laid_out_again() {
    let mut transcript = Transcript::default();
    transcript.answer_delta("one ");
    transcript.answer_delta("two");
    transcript.answer_done("one two");
    transcript.answer_delta("next");
    let texts: Vec<_> = transcript
        .cells()
        .iter()
        .map(|c| match &c.body {
            Body::Answer { text, open } => (text.as_str(), *open, c.epoch),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, [("one two", false, 0), ("next", true, 0)]);
    transcript.answer_done("repaired");
    assert_eq!(transcript.cells()[1].epoch, 1);
}

#[test]
fn output_keeps_its_tail_and_counts_what_fell_off() {
    let mut transcript = Transcript::default();
    for n in 0..20_000 {
        transcript.tool(CallId(1), "python", |c| {
            c.append_output(&format!("line {n}\n"))
        });
    }
    assert_eq!(transcript.cells().len(), 1);
    transcript.tool(CallId(1), "python", |card| {
        assert!(card.output.len() <= OUTPUT_LIMIT);
        assert!(card.output.ends_with("line 19999\n"));
        assert_eq!(card.dropped + card.output.lines().count(), 20_000);
    });
}

#[test]
fn nothing_unsafe_enters() {
    let mut transcript = Transcript::default();
    let evil = "\u{1b}]0;t\u{7}\u{202e}\u{9b}2J";
    transcript.answer_delta(evil);
    transcript.answer_done(evil);
    transcript.reasoning_delta(evil);
    transcript.notice(evil);
    transcript.problem(evil);
    transcript.tool(CallId(1), evil, |card| {
        card.append_output(evil);
        card.append_arguments(evil);
    });
    assert!(
        !format!("{:?}", transcript).contains("\\u{"),
        "{transcript:?}"
    );
}
