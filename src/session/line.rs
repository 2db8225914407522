//! From the bytes of a session file to its records, line by line; nothing in them is a reason to panic.

use super::Record;
use crate::conversation::TokenId;

/// The lines of a file, with the offset of each.
#[derive(Debug)]
pub struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Lines<'a> {
    pub fn of(bytes: &'a [u8]) -> Lines<'a> {
        Lines { rest: Some(bytes) }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match memchr::memchr(b'\n', rest) {
            Some(at) => {
                let (line, after) = rest.split_at(at);
                self.rest = after.get(1..);
                Some(line)
            }
            None => self.rest.take(),
        }
    }
}

/// The records of one line: one, or several where two writers' lines were fused. NUL bytes (a block that
/// a crash left unwritten) are skipped. `false`: something of the line could not be read.
pub fn parse_line(line: &[u8]) -> (Vec<Record>, bool) {
    if let Some(record) = tokens(line) {
        return (vec![record], true);
    }
    let trimmed = skip_nul(line);
    let mut whole = trimmed.len() == line.len();
    let mut stream = serde_json::Deserializer::from_slice(trimmed).into_iter::<Record>();
    let mut records = Vec::new();
    loop {
        match stream.next() {
            Some(Ok(record)) => records.push(record),
            Some(Err(_)) => {
                whole = false;
                break;
            }
            None => break,
        }
    }
    (records, whole)
}

/// The one record that most of a long file is, as our writer writes it. The general reader holds each
/// number in a tree of values first and takes many times as long.
fn tokens(line: &[u8]) -> Option<Record> {
    let list = line.strip_prefix(br#"{"record":"tokens","tokens":["#)?;
    let (list, last) = match list.strip_suffix(b"]}") {
        Some(list) => (list, false),
        None => (list.strip_suffix(br#"],"last":true}"#)?, true),
    };
    let mut tokens = Vec::with_capacity(list.len() / 6 + 1);
    if !list.is_empty() {
        for number in list.split(|byte| *byte == b',') {
            tokens.push(number_of(number)?);
        }
    }
    Some(Record::Tokens { tokens, last })
}

/// JSON's own spelling of an id: no sign, no leading zero.
fn number_of(digits: &[u8]) -> Option<TokenId> {
    if digits.len() > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    let mut value: TokenId = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(value)
}

fn skip_nul(line: &[u8]) -> &[u8] {
    let begin = line
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(line.len());
    line.get(begin..).unwrap_or_default()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_reader_of_ids_is_the_general_one() {
        for line in [
            r#"{"record":"tokens","tokens":[]}"#,
            r#"{"record":"tokens","tokens":[1]}"#,
            r#"{"record":"tokens","tokens":[200005,0,4294967295],"last":true}"#,
        ] {
            let quick = tokens(line.as_bytes()).unwrap();
            assert_eq!(serde_json::from_str::<Record>(line).unwrap(), quick);
            assert_eq!(serde_json::to_string(&quick).unwrap(), line);
        }
        for line in [
            r#"{"record":"tokens","tokens":[01]}"#,
            r#"{"record":"tokens","tokens":[4294967296]}"#,
            r#"{"record":"tokens","tokens":[1,]}"#,
            r#"{"record":"tokens","tokens":[-1]}"#,
            r#"{"record":"tokens","tokens":[1"#,
            r#"{"record":"tokens","tokens":[1.5]}"#,
        ] {
            assert_eq!(tokens(line.as_bytes()), None, "{line}");
            assert!(serde_json::from_str::<Record>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn lines_are_split_at_newlines_alone() {
        let lines: Vec<_> = Lines::of("a\u{2028}b\r\n\nc".as_bytes()).collect();
        assert_eq!(lines, ["a\u{2028}b\r".as_bytes(), b"", b"c"]);
        assert_eq!(Lines::of(b"a\n").count(), 2);
    }
}
