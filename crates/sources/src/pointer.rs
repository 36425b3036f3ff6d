//! JSON pointers (RFC 6901) taken apart.

use std::borrow::Cow;

use serde_json::Value;

/// The segments of a pointer, unescaped.
pub(crate) fn segments(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pointer.split('/').skip(1).map(|segment| {
        if segment.contains('~') {
            Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
        } else {
            Cow::Borrowed(segment)
        }
    })
}

/// A list index: digits without a leading zero.
pub(crate) fn index(segment: &str) -> Option<usize> {
    let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (segment.len() > 1 && segment.starts_with('0')) {
        return None;
    }
    segment.parse().ok()
}

/// The value at `pointer`.
pub(crate) fn get<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    segments(pointer).try_fold(value, |inner, segment| match inner {
        Value::Object(map) => map.get(segment.as_ref()),
        Value::Array(items) => items.get(index(&segment)?),
        _ => None,
    })
}

/// `pointer` with one more segment.
pub(crate) fn child(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// The pointer without its last segment, and that segment.
pub(crate) fn split_last(pointer: &str) -> Option<(&str, String)> {
    let cut = pointer.rfind('/')?;
    Some((&pointer[..cut], pointer[cut + 1..].replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_taken_apart_and_put_together() {
        assert_eq!(segments("/a~1b/0/~0").collect::<Vec<_>>(), ["a/b", "0", "~"]);
        assert_eq!(segments("").count(), 0);
        assert_eq!(segments("/").collect::<Vec<_>>(), [""]);
        assert_eq!(child("/a", "x/~"), "/a/x~1~0");
        assert_eq!(split_last("/a/x~1y"), Some(("/a", "x/y".to_owned())));
        assert_eq!((index("0"), index("01"), index("-"), index("")), (Some(0), None, None, None));
    }
}
