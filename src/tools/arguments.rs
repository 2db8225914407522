//! The arguments of a call: JSON as the schema says, and the near misses models make of it.

use super::ToolError;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use std::fmt;

/// Reads the arguments. Nothing at all counts as `{}`, a fence of backticks around the object is passed over.
pub(super) fn parse<T: DeserializeOwned>(arguments: &str) -> Result<T, ToolError> {
    let text = unfenced(arguments);
    let text = if text.is_empty() { "{}" } else { text };
    serde_json::from_str(text).map_err(|error| ToolError::Arguments(error.to_string()))
}

/// The inside of a Markdown fence around the whole text, or the text trimmed.
pub(super) fn unfenced(text: &str) -> &str {
    let trimmed = text.trim();
    let Some(open) = trimmed.strip_prefix("```") else {
        return trimmed;
    };
    let Some(inside) = open.strip_suffix("```") else {
        return trimmed;
    };
    match inside.split_once('\n') {
        Some((_language, body)) => body.trim(),
        None => trimmed,
    }
}

/// A count that may come as a number, a whole float or a string of digits.
pub(super) fn lenient_count<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<usize>, D::Error> {
    struct Count;
    impl<'de> Visitor<'de> for Count {
        type Value = Option<usize>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }
        fn visit_u64<E: de::Error>(self, n: u64) -> Result<Self::Value, E> {
            Ok(Some(usize::try_from(n).unwrap_or(usize::MAX)))
        }
        fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
            u64::try_from(n).map_or_else(
                |_| Err(E::custom("a negative number")),
                |n| self.visit_u64(n),
            )
        }
        fn visit_f64<E: de::Error>(self, n: f64) -> Result<Self::Value, E> {
            if n >= 0.0 && n.fract() == 0.0 && n < 1e15 {
                self.visit_u64(n as u64)
            } else {
                Err(E::custom("not a whole number"))
            }
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            match text.trim().parse::<u64>() {
                Ok(n) => self.visit_u64(n),
                Err(error) => Err(E::custom(error)),
            }
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    source.deserialize_any(Count)
}

/// An optional text; `""` and `null` count as absent, as models fill in every field.
pub(super) fn lenient_text<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(source)?.filter(|text| !text.trim().is_empty()))
}
