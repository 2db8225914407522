//! One question with yes or no, on the controlling terminal.

use super::editor::terminal;
use anyhow::Context;
use std::io::{BufRead, Write};

/// [`ask`] on the controlling terminal, also when standard input is a pipe.
///
/// # Errors
/// When there is no terminal.
pub fn on_terminal(question: &str) -> anyhow::Result<bool> {
    let (mut input, mut output) = terminal().context("there is no terminal to ask on")?;
    ask(question, &mut input, &mut output)
}

/// `true` for `y` or `yes` alone; everything else, the end of the input too, is no.
///
/// # Errors
/// When the streams fail.
pub fn ask(
    question: &str,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    write!(output, "{question} [y/N] ")?;
    output.flush()?;
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        writeln!(output)?;
    }
    Ok(matches!(
        line.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (typed, said) in [
            ("y\n", true),
            ("YES\n", true),
            ("y", true),
            ("n\n", false),
            ("yy\n", false),
            ("\n", false),
        ] {
            let mut shown = Vec::new();
            assert_eq!(
                ask("Merge?", &mut typed.as_bytes(), &mut shown).unwrap(),
                said,
                "{typed:?}"
            );
            assert_eq!(String::from_utf8(shown).unwrap(), "Merge? [y/N] ");
        }
        let mut shown = Vec::new();
        assert!(!ask("Merge?", &mut "".as_bytes(), &mut shown).unwrap());
        assert_eq!(String::from_utf8(shown).unwrap(), "Merge? [y/N] \n");
    }
}
