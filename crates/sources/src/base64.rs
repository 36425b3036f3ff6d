//! Base64, for `!!binary` scalars only.

/// Decodes standard base64, with or without padding; `None` when it is none or the bytes are no text.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take_while(|byte| *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
        bits &= (1 << count) - 1;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn decodes() {
        assert_eq!(super::decode("aGk=").as_deref(), Some("hi"));
        assert_eq!(super::decode("aG\n kh").as_deref(), Some("hi!"));
        assert_eq!(super::decode(""), Some(String::new()));
        assert_eq!(super::decode("a*"), None);
        assert_eq!(super::decode("/w=="), None);
    }
}
