//! Whatever a session file holds: nothing panics, what is whole is read, and what was read reads the same again.

#![no_main]

use descant::session::{Lines, Record, State, parse_line};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8]) -> (Vec<Record>, bool) {
    let mut all = (Vec::new(), true);
    for line in Lines::of(bytes).filter(|line| !line.is_empty()) {
        let (records, whole) = parse_line(line);
        all.0.extend(records);
        all.1 &= whole;
    }
    all
}

fuzz_target!(|bytes: &[u8]| {
    let (records, _) = read(bytes);
    let mut written = Vec::new();
    for record in &records {
        serde_json::to_writer(&mut written, record).expect("a record can be written");
        written.push(b'\n');
    }
    let (again, whole) = read(&written);
    assert!(whole, "our own lines are whole");
    assert_eq!(again.len(), records.len());
    // A torn line behind them costs none of them.
    written.extend_from_slice(bytes.get(..bytes.len() / 2).unwrap_or_default());
    assert!(read(&written).0.len() >= records.len());
    assert_eq!(State::of(again).items(), State::of(records).items());
});
