//! How a file's text is written in bytes: UTF-8, UTF-16 or Windows-1252 (and so Latin-1).
//!
//! It owns the way from the bytes on disk to the text that is located, compared and reviewed, and back. A
//! plan holds text; [`Encoding::encode`] makes bytes of it only where files are written. The one rule: what
//! does not come back byte for byte is not text, and is refused.

use super::text::NotText;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Also of a file that is only moved, whatever it holds: its bytes stay as they are.
    #[default]
    Utf8,
    Utf16Le,
    Utf16Be,
    /// Latin-1 and its superset; every byte is a character.
    Windows1252,
    /// No text: the image is the file's bytes, and the file is taken or left as a whole.
    Binary,
}

/// A character that the file's encoding has no bytes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unencodable {
    pub character: char,
    /// Of the text, from 1.
    pub line: usize,
}

const BOM_UTF16_LE: &[u8] = &[0xff, 0xfe];
const BOM_UTF16_BE: &[u8] = &[0xfe, 0xff];

/// UTF-16 without a mark is only believed of more bytes than this: four letters.
const SHORTEST_GUESS: usize = 8;

impl Encoding {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 LE",
            Self::Utf16Be => "UTF-16 BE",
            Self::Windows1252 => "Windows-1252",
            Self::Binary => "binary",
        }
    }

    /// The bytes on disk of an image.
    pub(crate) fn encode(self, image: Vec<u8>) -> Result<Vec<u8>, Unencodable> {
        let units = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            String::from_utf8_lossy(&image)
                .encode_utf16()
                .flat_map(to_bytes)
                .collect()
        };
        match self {
            Self::Utf8 | Self::Binary => Ok(image),
            Self::Utf16Le => Ok(units(u16::to_le_bytes)),
            Self::Utf16Be => Ok(units(u16::to_be_bytes)),
            Self::Windows1252 => windows_1252(&String::from_utf8_lossy(&image)),
        }
    }
}

fn windows_1252(text: &str) -> Result<Vec<u8>, Unencodable> {
    let mut encoder = encoding_rs::WINDOWS_1252.new_encoder();
    // One byte a character, and so never more than the UTF-8.
    let mut bytes = Vec::with_capacity(text.len());
    let (result, read) =
        encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
    match result {
        encoding_rs::EncoderResult::InputEmpty => Ok(bytes),
        encoding_rs::EncoderResult::Unmappable(character) => Err(Unencodable {
            character,
            line: 1 + text
                .bytes()
                .take(read)
                .filter(|byte| *byte == b'\n')
                .count(),
        }),
        // The buffer holds every text; were it ever full, the character after it is as good a reason.
        encoding_rs::EncoderResult::OutputFull => Err(Unencodable {
            character: char::REPLACEMENT_CHARACTER,
            line: 1,
        }),
    }
}

/// The text of a file, for reading: as the review shows it and hunks are written against, without its BOM.
/// `None` when the bytes are no text that could be edited.
pub fn text_of(bytes: &[u8]) -> Option<(Encoding, Cow<'_, str>)> {
    let encoding = detect(bytes).ok()?;
    let text = decoded(encoding, bytes)?;
    Some((
        encoding,
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Cow::Owned(text) => match text.strip_prefix('\u{feff}') {
                Some(rest) => Cow::Owned(rest.to_owned()),
                None => Cow::Owned(text),
            },
        },
    ))
}

/// The text image of a file, its BOM included. It encodes back to exactly these bytes.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<(Encoding, Vec<u8>), NotText> {
    let encoding = detect(&bytes)?;
    if encoding == Encoding::Utf8 {
        return Ok((encoding, bytes));
    }
    let image = match decoded(encoding, &bytes) {
        Some(text) => text.into_owned().into_bytes(),
        None => return Err(NotText::DamagedUtf16),
    };
    match encoding.encode(image.clone()) {
        Ok(again) if again == bytes => Ok((encoding, image)),
        Ok(_) | Err(_) => Err(NotText::NotUtf8),
    }
}

fn detect(bytes: &[u8]) -> Result<Encoding, NotText> {
    let marked = match bytes {
        _ if bytes.starts_with(BOM_UTF16_LE) => Some(Encoding::Utf16Le),
        _ if bytes.starts_with(BOM_UTF16_BE) => Some(Encoding::Utf16Be),
        _ => None,
    };
    if let Some(encoding) = marked {
        return match decoded(encoding, bytes) {
            // UTF-32 begins with the same mark; its text is full of NULs.
            Some(text) if text.contains('\0') => Err(NotText::Nul),
            Some(_) => Ok(encoding),
            None => Err(NotText::DamagedUtf16),
        };
    }
    if bytes.contains(&0) {
        return unmarked_utf16(bytes).ok_or(NotText::Nul);
    }
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(Encoding::Utf8);
    }
    if bytes
        .iter()
        .any(|byte| (*byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0xc)) || *byte == 0x7f)
    {
        return Err(NotText::NotUtf8);
    }
    // Where most of what is not ASCII is UTF-8 the rest is damage: as Windows-1252 the text would be shown
    // wrong, and what is added to it would be damage too.
    let (mut whole, mut damaged) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        damaged += usize::from(!chunk.invalid().is_empty());
    }
    if whole > damaged {
        return Err(NotText::DamagedUtf8);
    }
    Ok(Encoding::Windows1252)
}

/// `None` when the bytes are not of the encoding.
fn decoded(encoding: Encoding, bytes: &[u8]) -> Option<Cow<'_, str>> {
    let units = |of: fn([u8; 2]) -> u16| -> Option<Cow<'_, str>> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let text: Result<String, _> =
            char::decode_utf16(pairs.iter().map(|pair| of(*pair))).collect();
        text.ok().map(Cow::Owned)
    };
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Utf16Le => units(u16::from_le_bytes),
        Encoding::Utf16Be => units(u16::from_be_bytes),
        Encoding::Windows1252 => {
            encoding_rs::WINDOWS_1252.decode_without_bom_handling_and_without_replacement(bytes)
        }
        Encoding::Binary => None,
    }
}

/// UTF-16 that does not say so: NULs only where ASCII has them, in at least half of the units, and nothing
/// in the text that a text does not hold. Tables of small numbers fail by their control characters. (Text
/// without any ASCII is not recognised: it cannot be told from data.)
fn unmarked_utf16(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < SHORTEST_GUESS {
        return None;
    }
    let nuls = |parity: usize| {
        bytes
            .iter()
            .skip(parity)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (encoding, ascii) = match (nuls(0), nuls(1)) {
        (0, high) => (Encoding::Utf16Le, high),
        (high, 0) => (Encoding::Utf16Be, high),
        (_, _) => return None,
    };
    let text = decoded(encoding, bytes)?;
    let strange = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}'))
            || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}')
            || c > '\u{1ffff}'
    };
    (ascii * 4 >= bytes.len() && !text.contains(strange)).then_some(encoding)
}

#[cfg(test)]
mod tests;
