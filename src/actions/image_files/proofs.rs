//! What must hold of every file that can be read.

use crate::actions::image_files::ImageFile;

const OTHER: &str = "x:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Writes another image into every place that has one of its own: all of them are found there
/// again, and outside of them not a byte is another.
pub(super) fn only_places_change(file: &ImageFile) {
    let spanned: Vec<(usize, String)> = (file.images.iter().enumerate())
        .filter(|(_, place)| place.span.is_some())
        .map(|(number, _)| (number, OTHER.to_owned()))
        .collect();
    let text = file.with_images(&spanned).unwrap();
    let mut old = file.text.as_str();
    let mut new = text.as_str();
    let mut done = 0;
    for place in &file.images {
        let Some(span) = &place.span else { continue };
        assert_eq!(file.text.get(span.clone()), Some(place.written.as_str()));
        let before = old.get(..span.start - done).unwrap();
        new = new.strip_prefix(before).unwrap().strip_prefix(OTHER).unwrap();
        old = old.get(span.end - done..).unwrap();
        done = span.end;
    }
    assert_eq!(old, new);
    let again = ImageFile::parse("again", Some(file.kind), text).unwrap();
    assert_eq!(again.images.len(), file.images.len(), "{}\n\n{}", file.text, again.text);
    for (before, after) in file.images.iter().zip(&again.images) {
        assert_eq!(before.line, after.line);
        match before.span {
            Some(_) => assert_eq!(after.written, OTHER),
            None => assert_eq!(after.written, before.written),
        }
    }
    assert_eq!(file.with_images(&[]).unwrap(), file.text);
}
