//! The special tokens of `o200k_harmony`: their ids and spellings, as in `openai-harmony` 0.0.8.

use crate::conversation::TokenId;

/// The first special id; every id below is ordinary text.
pub const FIRST: TokenId = 199_998;
/// The last special id of the vocabulary.
pub const LAST: TokenId = 201_088;

pub const START_OF_TEXT: TokenId = 199_998;
/// Listed as an end token in GPT-OSS's generation config, beside `<|return|>` and `<|call|>`.
pub const END_OF_TEXT: TokenId = 199_999;
/// Means nothing to any model: engines end a generation with it where the real stop token must not enter
/// their prefix cache.
pub const RESERVED: TokenId = 200_000;
pub const RETURN: TokenId = 200_002;
pub const CONSTRAIN: TokenId = 200_003;
pub const CHANNEL: TokenId = 200_005;
pub const START: TokenId = 200_006;
pub const END: TokenId = 200_007;
pub const MESSAGE: TokenId = 200_008;
pub const CALL: TokenId = 200_012;

/// Whether `id` is anything but ordinary text (ids outside the vocabulary included).
pub fn is_special(id: TokenId) -> bool {
    id >= FIRST
}

/// How a special id is written out.
pub(super) fn spelling(id: TokenId) -> String {
    match id {
        START_OF_TEXT => "<|startoftext|>".into(),
        END_OF_TEXT => "<|endoftext|>".into(),
        RETURN => "<|return|>".into(),
        CONSTRAIN => "<|constrain|>".into(),
        CHANNEL => "<|channel|>".into(),
        START => "<|start|>".into(),
        END => "<|end|>".into(),
        MESSAGE => "<|message|>".into(),
        CALL => "<|call|>".into(),
        _ => format!("<|reserved_{id}|>"),
    }
}
