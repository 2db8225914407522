#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn encodings_are_told_apart() {
    let le = |text| utf16(text, u16::to_le_bytes);
    let be = |text| utf16(text, u16::to_be_bytes);
    for (bytes, wanted) in [
        (b"".to_vec(), Ok(Encoding::Utf8)),
        (b"plain\n".to_vec(), Ok(Encoding::Utf8)),
        ("\u{feff}ä\n".as_bytes().to_vec(), Ok(Encoding::Utf8)),
        (le("\u{feff}"), Ok(Encoding::Utf16Le)),
        (le("\u{feff}日本\n"), Ok(Encoding::Utf16Le)),
        (be("\u{feff}a\r\n"), Ok(Encoding::Utf16Be)),
        (le("four\n"), Ok(Encoding::Utf16Le)),
        (be("four\nгод\n"), Ok(Encoding::Utf16Be)),
        (le("\u{feff}a\0b"), Err(NotText::Nul)),
        (
            [&[0xff, 0xfe, 0, 0][..], b"a\0\0\0"].concat(),
            Err(NotText::Nul),
        ),
        (
            [&le("\u{feff}a"), &[0xd8u8][..]].concat(),
            Err(NotText::DamagedUtf16),
        ),
        (
            [&le("\u{feff}a"), &[0, 0xd8, b'b', 0][..]].concat(),
            Err(NotText::DamagedUtf16),
        ),
        (b"a\0b\n".to_vec(), Err(NotText::Nul)),
        (b"a\0".to_vec(), Err(NotText::Nul)),
        (
            b"\x01\0\x02\0\x03\0\x04\0\x05\0".to_vec(),
            Err(NotText::Nul),
        ),
        (b"mixed \0 and \0\0 text".to_vec(), Err(NotText::Nul)),
        (b"caf\xe9\n".to_vec(), Ok(Encoding::Windows1252)),
        (
            b"\x93quoted\x94 \x80 5\n".to_vec(),
            Ok(Encoding::Windows1252),
        ),
        (
            b"\xabCAF\xc9\xbb, \xe9t\xe9\n".to_vec(),
            Ok(Encoding::Windows1252),
        ),
        (b"caf\xe9\x1b[0m\n".to_vec(), Err(NotText::NotUtf8)),
        (
            [" äöü ".as_bytes(), b"\xff"].concat(),
            Err(NotText::DamagedUtf8),
        ),
    ] {
        assert_eq!(detect(&bytes), wanted, "{bytes:?}");
        assert_eq!(text_of(&bytes).map(|(encoding, _)| encoding), wanted.ok());
        if wanted.is_ok() {
            let (encoding, image) = decode(bytes.clone()).unwrap();
            assert_eq!(encoding.encode(image), Ok(bytes));
        }
    }
}

#[test]
fn the_text_of_each_encoding() {
    let text = |bytes: &[u8]| text_of(bytes).map(|(_, text)| text.into_owned());
    assert_eq!(text(b"caf\xe9 \x80\n"), Some("café €\n".to_owned()));
    let marked = utf16("\u{feff}é\r\n", u16::to_be_bytes);
    assert_eq!(text(&marked), Some("é\r\n".to_owned()));
    assert_eq!(text("\u{feff}a".as_bytes()), Some("a".to_owned()));
    assert_eq!(text(b"a\0b"), None);
}

#[test]
fn every_byte_of_windows_1252_comes_back() {
    let bytes: Vec<u8> = (0x80..=0xff).chain(*b" \t\r\n\x0c").collect();
    let (encoding, image) = decode(bytes.clone()).unwrap();
    assert_eq!(encoding, Encoding::Windows1252);
    assert_eq!(encoding.encode(image), Ok(bytes));
}

#[test]
fn a_character_without_bytes_is_named_with_its_line() {
    assert_eq!(
        Encoding::Windows1252.encode("é\n\nx → y\n".as_bytes().to_vec()),
        Err(Unencodable {
            character: '→',
            line: 3
        })
    );
    assert_eq!(
        Encoding::Utf16Le.encode("→😀".as_bytes().to_vec()),
        Ok(vec![0x92, 0x21, 0x3d, 0xd8, 0x00, 0xde])
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_text_comes_back_byte_for_byte(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(vec![0, b'a', b'\n', 0xff, 0xfe, 0xe9, 0xc3, 0xa9, 0xd8])], 0..40,
    )) {
        if let Ok((encoding, image)) = decode(bytes.clone()) {
            prop_assert!(std::str::from_utf8(&image).is_ok());
            prop_assert_eq!(encoding.encode(image), Ok(bytes));
        }
    }

    #[test]
    fn text_is_recognised_as_what_it_was_written_in(text in "[ -~\n]{4,60}") {
        let marked = format!("\u{feff}{text}");
        prop_assert_eq!(detect(text.as_bytes()), Ok(Encoding::Utf8));
        prop_assert_eq!(detect(&utf16(&text, u16::to_le_bytes)), Ok(Encoding::Utf16Le));
        prop_assert_eq!(detect(&utf16(&text, u16::to_be_bytes)), Ok(Encoding::Utf16Be));
        prop_assert_eq!(detect(&utf16(&marked, u16::to_le_bytes)), Ok(Encoding::Utf16Le));
        prop_assert_eq!(detect(&utf16(&marked, u16::to_be_bytes)), Ok(Encoding::Utf16Be));
    }
}
