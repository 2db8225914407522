//! What a line of Markdown begins, told from the line alone.
//!
//! CommonMark's rules for the start of a block, without its containers: those are the state of the reader. A line
//! comes without its newline and without what its containers took.

/// What a line begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Start<'t> {
    Quote {
        rest: &'t str,
    },
    Item {
        item: Item,
        rest: &'t str,
    },
    Heading {
        depth: usize,
        text: &'t str,
    },
    Fence(Fence),
    Rule,
    /// Code by four spaces, which are cut off.
    Indented(&'t str),
}

/// A list item's marker.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// `-`, `*`, `+`, `.` or `)`: another one begins another list.
    pub mark: char,
    /// Of a numbered item, as it was written.
    pub number: Option<u64>,
    /// Columns that a line must be indented by to belong to it.
    pub offset: usize,
    /// `- [x] `
    pub task: Option<bool>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    /// The first word after it, mostly a language.
    pub language: String,
    /// All that stands there, when it is more than that word.
    pub more: Option<String>,
}

pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// `line` without `columns` of its indentation, or as much as there is.
pub fn dedent(line: &str, columns: usize) -> &str {
    line.get(indent(line).min(columns)..).unwrap_or(line)
}

/// `in_paragraph`: the line could also go on with a paragraph, which some starts cannot interrupt.
pub fn start(line: &str, in_paragraph: bool) -> Option<Start<'_>> {
    let depth = indent(line);
    let text = line.trim_start_matches(' ');
    if text.is_empty() {
        return None;
    }
    if depth >= 4 {
        return (!in_paragraph).then(|| Start::Indented(dedent(line, 4)));
    }
    if let Some(rest) = text.strip_prefix('>') {
        return Some(Start::Quote {
            rest: rest.strip_prefix(' ').unwrap_or(rest),
        });
    }
    if let Some(heading) = heading(text) {
        return Some(heading);
    }
    if let Some(fence) = Fence::opens(text, depth) {
        return Some(Start::Fence(fence));
    }
    if is_rule(text) {
        return Some(Start::Rule);
    }
    item(text, depth, in_paragraph)
}

/// The container that a line begins of which only the first part is known: an item, or a quote where there is none;
/// and what it leaves of the line.
pub fn container(line: &str, in_paragraph: bool) -> Option<(Option<Item>, &str)> {
    let depth = indent(line);
    let text = line.trim_start_matches(' ');
    if depth >= 4 || text.is_empty() {
        return None;
    }
    if let Some(rest) = text.strip_prefix('>') {
        return Some((None, rest.strip_prefix(' ').unwrap_or(rest)));
    }
    match item(text, depth, in_paragraph)? {
        Start::Item { item, rest } => Some((Some(item), rest)),
        Start::Quote { .. }
        | Start::Heading { .. }
        | Start::Fence(_)
        | Start::Rule
        | Start::Indented(_) => None,
    }
}

fn heading(text: &str) -> Option<Start<'_>> {
    let depth = text.len() - text.trim_start_matches('#').len();
    let rest = text.get(depth..)?;
    if !(1..=6).contains(&depth) || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let rest = rest.trim();
    let without = rest.trim_end_matches('#');
    let text = if without.is_empty() || without.ends_with(' ') {
        without.trim_end()
    } else {
        rest
    };
    Some(Start::Heading { depth, text })
}

/// The level that a line under a paragraph makes it a heading of.
pub fn underline(line: &str) -> Option<usize> {
    let text = line.trim();
    let all = |mark: char| !text.is_empty() && text.chars().all(|c| c == mark);
    match indent(line) {
        0..=3 if all('=') => Some(1),
        0..=3 if all('-') => Some(2),
        _ => None,
    }
}

fn is_rule(text: &str) -> bool {
    ['-', '*', '_'].into_iter().any(|mark| {
        text.chars().all(|c| c == mark || c == ' ')
            && text.chars().filter(|c| *c == mark).count() >= 3
    })
}

fn item(text: &str, depth: usize, in_paragraph: bool) -> Option<Start<'_>> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = match digits {
        0 => (None, text),
        1..=9 => (text.get(..digits)?.parse().ok(), text.get(digits..)?),
        _ => return None,
    };
    let mark = after.chars().next()?;
    let is_mark = match number {
        Some(_) => matches!(mark, '.' | ')'),
        None => matches!(mark, '-' | '*' | '+'),
    };
    let rest = after.get(1..).filter(|_| is_mark)?;
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let spaces = indent(rest);
    let content = rest.get(spaces..)?;
    if in_paragraph && (content.is_empty() || number.is_some_and(|number| number != 1)) {
        return None;
    }
    // Five spaces are one, and code by four; an item without content takes one.
    let taken = if content.is_empty() || spaces > 4 {
        1
    } else {
        spaces
    };
    let rest = dedent(rest, taken);
    let task = [("[ ] ", false), ("[x] ", true), ("[X] ", true)]
        .into_iter()
        .find_map(|(box_, done)| Some((rest.strip_prefix(box_)?, done)));
    let item = Item {
        mark,
        number,
        offset: depth + digits + 1 + taken,
        task: task.map(|(_, done)| done),
    };
    Some(Start::Item {
        item,
        rest: task.map_or(rest, |(rest, _)| rest),
    })
}

impl Fence {
    fn opens(text: &str, indent: usize) -> Option<Fence> {
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let length = text.len() - info.len();
        let valid = length >= 3 && (mark == '~' || !info.contains('`'));
        valid.then(|| Fence {
            mark,
            length,
            indent,
            language: language(info),
            more: Some(info.trim().to_owned()).filter(|info| info.contains(char::is_whitespace)),
        })
    }

    pub fn closes(&self, line: &str) -> bool {
        let text = line.trim();
        indent(line) < 4 && text.len() >= self.length && text.chars().all(|c| c == self.mark)
    }

    /// A line inside, without the indentation of the fence.
    pub fn inside<'t>(&self, line: &'t str) -> &'t str {
        dedent(line, self.indent)
    }
}

/// `rust,ignore`, `{.python}` and `python title="x"` name their language first.
fn language(info: &str) -> String {
    let word = info
        .trim()
        .trim_start_matches(['{', '.'])
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ':'))
        .next();
    word.unwrap_or_default().to_owned()
}
