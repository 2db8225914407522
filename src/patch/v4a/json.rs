//! JSON read one character at a time, for the strings in it: a tool call's arguments while they are written.

/// What a character of the JSON text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Syntax, or part of a key or an escape.
    Nothing,
    /// A string that is a value begins.
    Begin,
    /// A character of it.
    Text(char),
    /// It ends.
    End,
    /// The text is not JSON.
    NotJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    /// After `[` or `{`, which may be empty.
    FirstValue,
    FirstKey,
    Key,
    Colon,
    String {
        is_key: bool,
    },
    /// `true`, `null`, a number.
    Word,
    AfterValue,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Backslash,
    /// Digits read, and their value.
    Unicode(u8, u32),
}

#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// Open containers: whether each is an object.
    open: Vec<bool>,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u32>,
}

/// Deeper JSON is no tool call.
const MAX_DEPTH: usize = 100;

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            escape: Escape::None,
            high: None,
        }
    }
}

impl Decoder {
    pub fn push(&mut self, c: char) -> Step {
        if let State::String { is_key } = self.state {
            return match self.in_string(c) {
                Step::End => {
                    self.state = if is_key {
                        State::Colon
                    } else {
                        State::AfterValue
                    };
                    if is_key { Step::Nothing } else { Step::End }
                }
                Step::Text(_) if is_key => Step::Nothing,
                step => step,
            };
        }
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            if self.state == State::Word {
                self.state = State::AfterValue;
            }
            return Step::Nothing;
        }
        match (self.state, c) {
            (State::Value | State::FirstValue, '"') => {
                self.state = State::String { is_key: false };
                return Step::Begin;
            }
            (State::Value | State::FirstValue, '{' | '[') if self.open.len() < MAX_DEPTH => {
                self.open.push(c == '{');
                self.state = if c == '{' {
                    State::FirstKey
                } else {
                    State::FirstValue
                };
            }
            (State::FirstKey | State::Key, '"') => self.state = State::String { is_key: true },
            (State::Colon, ':') => self.state = State::Value,
            (
                State::Value | State::FirstValue | State::Word,
                '-' | '+' | '.' | '0'..='9' | 'a'..='z' | 'E',
            ) => {
                self.state = State::Word;
            }
            (State::AfterValue | State::Word, ',') => match self.open.last() {
                Some(true) => self.state = State::Key,
                Some(false) => self.state = State::Value,
                None => return Step::NotJson,
            },
            (State::AfterValue | State::Word | State::FirstKey | State::FirstValue, '}' | ']') => {
                if self.open.pop() != Some(c == '}') {
                    return Step::NotJson;
                }
                self.state = if self.open.is_empty() {
                    State::Done
                } else {
                    State::AfterValue
                };
            }
            _ => return Step::NotJson,
        }
        Step::Nothing
    }

    fn in_string(&mut self, c: char) -> Step {
        match self.escape {
            Escape::None if self.high.is_some() && c != '\\' => Step::NotJson,
            Escape::None => match c {
                '"' => Step::End,
                '\\' => {
                    self.escape = Escape::Backslash;
                    Step::Nothing
                }
                c if u32::from(c) < 0x20 => Step::NotJson,
                c => Step::Text(c),
            },
            Escape::Backslash if c == 'u' => {
                self.escape = Escape::Unicode(0, 0);
                Step::Nothing
            }
            Escape::Backslash if self.high.is_some() => Step::NotJson,
            Escape::Backslash => {
                self.escape = Escape::None;
                match c {
                    '"' | '\\' | '/' => Step::Text(c),
                    'b' => Step::Text('\u{8}'),
                    'f' => Step::Text('\u{c}'),
                    'n' => Step::Text('\n'),
                    'r' => Step::Text('\r'),
                    't' => Step::Text('\t'),
                    _ => Step::NotJson,
                }
            }
            Escape::Unicode(digits, value) => {
                let Some(digit) = c.to_digit(16) else {
                    return Step::NotJson;
                };
                let value = value * 16 + digit;
                if digits < 3 {
                    self.escape = Escape::Unicode(digits + 1, value);
                    return Step::Nothing;
                }
                self.escape = Escape::None;
                self.unit(value)
            }
        }
    }

    /// A UTF-16 unit from `\uXXXX`.
    fn unit(&mut self, unit: u32) -> Step {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
                char::from_u32(code).map_or(Step::NotJson, Step::Text)
            }
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                Step::Nothing
            }
            (Some(_), _) => Step::NotJson,
            (None, _) => char::from_u32(unit).map_or(Step::NotJson, Step::Text),
        }
    }
}
