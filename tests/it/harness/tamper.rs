//! The ways in which bytes differ from what was meant, by name.

/// Cuts the last byte off.
pub(crate) fn truncated(bytes: &mut Vec<u8>) {
    bytes.pop();
}

/// Adds a byte that no reader of JSON minds.
pub(crate) fn lengthened(bytes: &mut Vec<u8>) {
    bytes.push(b'\n');
}

/// Flips the lowest bit of the byte in the middle.
pub(crate) fn bit_flipped(bytes: &mut Vec<u8>) {
    let middle = bytes.len() / 2;
    let other = bytes[middle] ^ 1;
    bytes.splice(middle..=middle, [other]);
}

/// Is a page for people.
pub(crate) fn html(bytes: &mut Vec<u8>) {
    *bytes = b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec();
}

/// Is nothing at all.
pub(crate) fn emptied(bytes: &mut Vec<u8>) {
    bytes.clear();
}

/// Writes other text in the place of the first that is like `from`, which must be there.
pub(crate) fn rewritten(from: &str, to: &str) -> impl Fn(&mut Vec<u8>) + 'static {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        assert!(text.contains(&from), "no {from} in {text}");
        *bytes = text.replacen(&from, &to, 1).into_bytes();
    }
}
