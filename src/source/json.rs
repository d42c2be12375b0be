//! JSON lists and objects, cut into their parts before any part is read.
//!
//! A parser reads a document whole or not at all: one number out of range, half a surrogate pair or an item that is nested
//! too deep, and nothing of a whole day is known. Here only strings and brackets are followed, in one pass and without a
//! stack, so each part can be given to the parser by itself and fail by itself.

/// The parts of a list or an object: the texts between its commas, without the white space around them. They are in no way
/// checked; an object's parts are taken apart by [`member`].
#[derive(Debug)]
pub(super) struct Parts<'a> {
    text: &'a str,
    /// Where the next part begins, in bytes; `None` after the last.
    next: Option<usize>,
    close: u8,
    is_whole: bool,
}

impl<'a> Parts<'a> {
    /// The items of a list; `None` for a text that doesn't begin like one.
    pub(super) fn of_list(text: &'a str) -> Option<Self> {
        Self::of(text, b'[', b']')
    }

    /// The members of an object; `None` for a text that doesn't begin like one.
    pub(super) fn of_object(text: &'a str) -> Option<Self> {
        Self::of(text, b'{', b'}')
    }

    fn of(text: &'a str, open: u8, close: u8) -> Option<Self> {
        let begins = text.as_bytes().first() == Some(&open);
        begins.then_some(Self { text, next: Some(1), close, is_whole: false })
    }

    /// Whether the closing bracket was met, and nothing after it; known after the last part.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = self.next.take()?;
        let (mut at, mut depth, mut is_quoted) = (start, 0_usize, false);
        // Every byte that is looked for is ASCII, so it is a character of its own in UTF-8.
        while let Some(byte) = self.text.as_bytes().get(at) {
            match byte {
                b'\\' if is_quoted => at += 1,
                b'"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' if depth == 0 => {
                    self.next = Some(at + 1);
                    return Some(self.text[start..at].trim());
                }
                b']' | b'}' => {
                    self.is_whole = *byte == self.close && self.text[at + 1..].trim().is_empty();
                    // None in an empty list, nor after a comma at the end.
                    return Some(self.text[start..at].trim()).filter(|part| !part.is_empty());
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

/// The name and the value of an object's part.
pub(super) fn member(part: &str) -> Option<(String, &str)> {
    let mut name = serde_json::Deserializer::from_str(part).into_iter::<String>();
    let key = name.next()?.ok()?;
    let value = part[name.byte_offset()..].trim_start().strip_prefix(':')?;
    Some((key, value.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn list(text: &str) -> (Vec<&str>, bool) {
        let mut parts = Parts::of_list(text).expect("a list");
        let all = parts.by_ref().collect();
        (all, parts.is_whole())
    }

    #[test]
    fn brackets_and_commas_in_strings_cut_nothing() {
        assert_eq!(
            list(r#"[ {"a":"],}\"["} , [1,[2]],"é\\",NaN, "\ud800" ] "#),
            (vec![r#"{"a":"],}\"["}"#, "[1,[2]]", r#""é\\""#, "NaN", r#""\ud800""#], true)
        );
        assert_eq!(list("[]"), (vec![], true));
        assert_eq!(list("[1,]"), (vec!["1"], true));
        assert_eq!(list("[,1]"), (vec!["", "1"], true));
    }

    #[test]
    fn a_list_without_an_end_says_so() {
        for (text, parts) in [
            ("[", vec![]),
            ("[1,2", vec!["1"]),
            ("[1,\"2]", vec!["1"]),
            ("[\"\\", vec![]),
            ("[1}", vec!["1"]),
            ("[1] 2", vec!["1"]),
        ] {
            assert_eq!(list(text), (parts, false), "{text}");
        }
    }

    #[test]
    fn members_are_names_and_values() {
        let members: Vec<_> =
            Parts::of_object(r#"{"a\"b" : [1,2], "c":{"d":1e400}, 7:1, "e"}"#).expect("an object").collect();
        let members: Vec<_> = members.into_iter().map(member).collect();
        assert_eq!(members, [Some(("a\"b".to_owned(), "[1,2]")), Some(("c".to_owned(), r#"{"d":1e400}"#)), None, None]);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[\\[\\]{}\",\\\\é:]{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a,\"}]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_parts_of_a_list_are_its_items(values in proptest::collection::vec(any_value(), 0..6), is_pretty in any::<bool>()) {
            let text = if is_pretty { serde_json::to_string_pretty(&values) } else { serde_json::to_string(&values) }.expect("JSON");
            let (parts, is_whole) = list(&text);
            let read: Vec<Value> = parts.iter().map(|part| serde_json::from_str(part).expect("a value")).collect();
            prop_assert_eq!((read, is_whole), (values, true));
        }
    }
}
