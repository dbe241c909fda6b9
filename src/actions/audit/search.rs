//! Looking through files, and putting together what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::actions::audit::kind::FileKind;
use crate::actions::audit::lines::scan;
use crate::actions::audit::machine::{Machine, machine};
use crate::actions::audit::named::{Named, named};
use crate::actions::audit::policies::{configuration, policies};
use crate::actions::audit::rules::{Finding, NotRead, Place, What};
use crate::actions::audit::tree::walk;
use crate::actions::image::gun_of;
use crate::actions::image_files::{ImageFile, ImageFileError, SkippedBecause};
use crate::limits::{MAX_AUDIT_FINDINGS, MAX_AUDIT_IMAGES, MAX_AUDIT_PLACES, MAX_IMAGE_FILE_BYTES};
use crate::oci::Reference;
use crate::store::StoreError;
use crate::store::files::read_user_file;
use crate::store::streams::is_folder;
use crate::tuf::Gun;

/// What is to be looked at.
#[derive(Debug, Default)]
pub struct Request {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Images and repositories that the person named.
    pub named: Vec<Reference>,
    /// The machine, if it is to be looked at.
    pub machine: Option<Machine>,
    /// Names of files and folders that are left out.
    pub excluded: Vec<String>,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order in which it was found: what was named, by path and line, then the machine.
    pub findings: Vec<Finding>,
    /// Images and collections, by name.
    pub images: Vec<FoundImage>,
    /// How many files were looked through.
    pub files: usize,
    /// Findings that were left out: there are too many.
    pub findings_left_out: usize,
    /// Images that were left out: there are too many.
    pub images_left_out: usize,
    known: BTreeMap<String, usize>,
}

/// An image, or a whole collection.
#[derive(Debug)]
pub struct FoundImage {
    /// Its collection.
    pub gun: Gun,
    /// Which image of it; none if it is about all of them.
    pub reference: Option<Reference>,
    /// Where it is named.
    pub places: Vec<Place>,
}

/// Looks through what was asked for. Asks nobody.
///
/// A path that is not there is an error; whatever else cannot be read is a finding.
pub fn search(request: &Request) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for path in &request.paths {
        if is_folder(path) {
            walk(path, &request.excluded, &mut found);
        } else {
            let bytes = read_user_file(path, MAX_IMAGE_FILE_BYTES)?;
            let name = path.file_name().unwrap_or(path.as_os_str());
            let kind = FileKind::of(path.as_os_str().as_encoded_bytes());
            found.take(path, name.as_encoded_bytes(), kind, &bytes);
        }
    }
    for reference in &request.named {
        let place = Place::Typed(reference.familiar());
        found.image(reference, true, place);
    }
    if let Some(known) = &request.machine {
        machine(known, &request.excluded, &mut found);
    }
    found.images.sort_by_cached_key(|image| {
        (image.gun.to_string(), image.reference.as_ref().map(Reference::familiar))
    });
    Ok(found)
}

impl Found {
    /// Adds a finding.
    pub(super) fn add(&mut self, place: Place, kind: FileKind, what: What) {
        if self.findings.len() < MAX_AUDIT_FINDINGS {
            self.findings.push(Finding { place, kind, what });
        } else {
            self.findings_left_out = self.findings_left_out.saturating_add(1);
        }
    }

    /// Adds something that could not be read.
    pub(super) fn not_read(&mut self, path: PathBuf, why: NotRead) {
        let place = Place::File { path, line: None, column: None };
        self.add(place, FileKind::Configuration, What::NotRead(why));
    }

    /// Adds an image; without a tag and digest it is `latest`, or all if `whole`.
    pub(super) fn image(&mut self, reference: &Reference, whole: bool, place: Place) {
        let Ok(gun) = gun_of(reference) else { return };
        let is_whole = whole && reference.tag().is_none() && reference.digest().is_none();
        let reference = match (is_whole, reference.tag()) {
            (true, _) => None,
            // Whether its digest is the one that is signed is told by verifying it.
            (false, _) => Some(reference.clone()),
        };
        self.collect(gun, reference, place);
    }

    /// Adds all of a collection, or one image of it.
    pub(super) fn collect(&mut self, gun: Gun, reference: Option<Reference>, place: Place) {
        let name = reference.as_ref().map_or_else(|| format!("{gun} *"), Reference::familiar);
        if let Some(number) = self.known.get(&name) {
            let known = self.images.get_mut(*number);
            // One place after the other: the same one comes twice in a row, if at all.
            let is_new = |known: &&mut FoundImage| known.places.last() != Some(&place);
            if let Some(known) = known.filter(is_new)
                && known.places.len() < MAX_AUDIT_PLACES
            {
                known.places.push(place);
            }
        } else if self.images.len() >= MAX_AUDIT_IMAGES {
            self.images_left_out = self.images_left_out.saturating_add(1);
        } else {
            self.known.insert(name, self.images.len());
            self.images.push(FoundImage { gun, reference, places: vec![place] });
        }
    }

    /// Looks through the content of a file. `name` is that of the file alone.
    pub(super) fn take(&mut self, path: &Path, name: &[u8], kind: FileKind, bytes: &[u8]) {
        self.files = self.files.saturating_add(1);
        let decoded = from_utf16(bytes);
        let bytes = decoded.as_ref().map_or(bytes, |text| text.as_bytes());
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        if bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0) {
            return;
        }
        let is_script = kind == FileKind::Other && bytes.starts_with(b"#!");
        let kind = if is_script { FileKind::Script } else { kind };
        let before = self.findings.len();
        self.lines(path, kind, bytes);
        let is_yaml = has_ending(name, &[".yaml", ".yml", ".json"]);
        let is_jenkins = kind == FileKind::Pipeline("Jenkins");
        let names_images = kind == FileKind::Dockerfile
            || (is_yaml && (matches!(kind, FileKind::Pipeline(_)) || may_name_images(bytes)))
            || (is_jenkins && has(bytes, b"image"));
        let is_configuration = has_ending(name, &[".json"]);
        if !names_images && !is_configuration && !is_yaml {
            return;
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let at = |line| Place::File { path: path.to_owned(), line: Some(line), column: None };
        if is_yaml {
            for (line, what) in policies(text) {
                self.add(at(line), kind, what);
            }
        }
        if is_configuration {
            let name = String::from_utf8_lossy(name);
            for (line, what) in configuration(&name, text) {
                self.add(at(line), FileKind::Configuration, what);
            }
        }
        self.say_servers_once(before);
        if names_images {
            let known = self.images_of(path, kind, is_jenkins, text);
            if let Some(known) = known {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                self.named_in(path, kind, &known, named(kind, &name, text));
            }
        }
    }

    /// A server that a policy or a configuration names is not told of again for its line.
    fn say_servers_once(&mut self, before: usize) {
        let of_file = self.findings.get(before..).unwrap_or_default();
        let told = of_file.iter().filter(|finding| !matches!(finding.what, What::Server(_)));
        let told: Vec<_> = told.filter_map(Finding::closing).collect();
        if told.is_empty() {
            return;
        }
        let of_file = self.findings.split_off(before);
        self.findings.extend(of_file.into_iter().filter(|finding| match finding.what {
            What::Server(closing) => !told.contains(&closing),
            _ => true,
        }));
    }

    fn lines(&mut self, path: &Path, kind: FileKind, bytes: &[u8]) {
        let mut line_number = 1_usize;
        let mut counted = 0;
        for (start, end) in lines_with_words(bytes) {
            let passed = bytes.get(counted..start).unwrap_or_default();
            line_number = line_number.saturating_add(count(passed, b'\n'));
            counted = start;
            let line = String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default());
            let rest = bytes.get(end.saturating_add(1)..).unwrap_or_default();
            let below = rest.get(..rest.len().min(LOOKED_BELOW)).unwrap_or_default();
            let (mut at, mut column) = (0, 0_usize);
            for found in scan(&line, &String::from_utf8_lossy(below), kind) {
                let passed = line.get(at..found.at).unwrap_or_default();
                column = column.saturating_add(passed.chars().count());
                at = at.max(found.at);
                let place = Place::File {
                    path: path.to_owned(),
                    line: Some(line_number),
                    column: Some(column.saturating_add(1)),
                };
                if kind.acts() {
                    for name in &found.about {
                        if let Ok(reference) = Reference::parse(name) {
                            self.image(&reference, true, place.clone());
                        }
                    }
                }
                self.add(place, kind, found.what);
            }
        }
    }

    /// Finds the images of Dockerfiles, compose files and Kubernetes files. Gives the lines on which
    /// they are, if the file could be one that names others besides.
    fn images_of(
        &mut self,
        path: &Path,
        kind: FileKind,
        is_jenkins: bool,
        text: &str,
    ) -> Option<BTreeSet<usize>> {
        let is_pipeline = matches!(kind, FileKind::Pipeline(_));
        if is_jenkins {
            return Some(BTreeSet::new());
        }
        let file = match ImageFile::named(path, text.to_owned()) {
            Ok(file) => file,
            // YAML of no kind that names images by its own rules.
            Err(ImageFileError::UnknownKind { .. }) => return Some(BTreeSet::new()),
            Err(ImageFileError::Malformed { line, column, problem, .. }) => {
                let (line, column) = (Some(line), Some(column));
                let place = Place::File { path: path.to_owned(), line, column };
                self.add(place, kind, What::NotUnderstood { problem });
                return None;
            }
            Err(error) => {
                let place = Place::File { path: path.to_owned(), line: None, column: None };
                self.add(place, kind, What::NotUnderstood { problem: error.to_string() });
                return None;
            }
        };
        let place = |line, column| Place::File {
            path: path.to_owned(),
            line: Some(line),
            column: Some(column),
        };
        for image in &file.images {
            let written = image.written.trim_end().to_owned();
            let told = image.image.as_deref().map_err(ToString::to_string);
            self.written(place(image.line, image.column), kind, written, told, false);
        }
        // Whatever runs such an object, what it calls an image is most likely one.
        let others = file.skipped.iter().filter(|one| one.because == SkippedBecause::NotAContainer);
        for other in others.filter(|other| Reference::parse(&other.written).is_ok()) {
            let written = other.written.clone();
            let told = Ok(other.written.as_str());
            self.written(place(other.line, other.column), kind, written, told, false);
        }
        let lines = file.images.iter().map(|image| image.line);
        let lines = lines.chain(file.skipped.iter().map(|other| other.line));
        is_pipeline.then(|| lines.collect())
    }

    /// Adds images that stand on other lines than those known already.
    fn named_in(
        &mut self,
        path: &Path,
        kind: FileKind,
        known: &BTreeSet<usize>,
        images: Vec<Named>,
    ) {
        for image in images.into_iter().filter(|image| !known.contains(&image.line)) {
            let line = Some(image.line);
            let place = Place::File { path: path.to_owned(), line, column: None };
            let told =
                if image.is_told { Ok(image.written.as_str()) } else { Err(FILLED_IN.into()) };
            self.written(place, kind, image.written.clone(), told, image.is_whole);
        }
    }

    /// Adds an image as a file has it, or that it cannot be told which one is meant.
    fn written(
        &mut self,
        place: Place,
        kind: FileKind,
        written: String,
        told: Result<&str, String>,
        whole: bool,
    ) {
        let parsed =
            told.and_then(|text| Reference::parse(text).map_err(|error| error.to_string()));
        match parsed {
            Ok(reference) => {
                if let Some(by) = notary_image(&reference) {
                    self.add(place.clone(), kind, What::NotaryService { by });
                }
                self.image(&reference, whole, place);
            }
            Err(problem) => self.add(place, kind, What::ImageUntold { written, problem }),
        }
    }
}

/// A text in UTF-16, as programs of Windows write it, with the mark it begins with.
fn from_utf16(bytes: &[u8]) -> Option<String> {
    // Whatever is written in it, some of it is ASCII, and so half of that is zero.
    if !bytes.iter().take(LOOKED_AT).any(|byte| *byte == 0) {
        return None;
    }
    let (rest, is_little) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ => return None,
    };
    let units = rest.chunks_exact(2).map(|pair| {
        let pair = pair.try_into().unwrap_or_default();
        if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let letters = char::decode_utf16(units);
    Some(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// The name of an image that is a server or a signer of notary.
fn notary_image(reference: &Reference) -> Option<String> {
    let last = reference.path().rsplit('/').next().unwrap_or_default();
    let is_one = last == "notary"
        || ["notary-server", "notary-signer"].iter().any(|name| last.starts_with(name));
    is_one.then(|| reference.familiar())
}

/// The lines in which one of the words stands without which nothing is found, from start to end.
fn lines_with_words(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut from = 0_usize;
    std::iter::from_fn(move || {
        let hit = from.saturating_add(find_word(bytes.get(from..)?)?);
        let before = bytes.get(..hit)?;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let after = bytes.get(hit..)?;
        let end = after.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(bytes.len(), |length| hit.saturating_add(length));
        from = end;
        Some((start, end))
    })
}

/// Where one of the words begins, in any case of letters. Of five bytes the last is looked at
/// first: mostly it can be in no word, and all five are passed over.
fn find_word(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let last = *bytes.get(at.saturating_add(WORD_LENGTH - 1))?;
        let shift = SHIFTS.get(usize::from(last)).copied().unwrap_or(1);
        if shift > 0 {
            at = at.saturating_add(shift);
            continue;
        }
        let window = bytes.get(at..at.saturating_add(WORD_LENGTH))?;
        if WORDS.iter().any(|word| window.eq_ignore_ascii_case(*word)) {
            return Some(at);
        }
        at = at.saturating_add(1);
    }
}

/// How far a window can be moved on by its last byte; 0 if a word may end with it.
const SHIFTS: [usize; 256] = shifts();

#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which checks each index")]
const fn shifts() -> [usize; 256] {
    let mut shifts = [WORD_LENGTH; 256];
    let mut word = 0;
    while word < WORDS.len() {
        let mut at = 0;
        while at < WORD_LENGTH {
            let shift = WORD_LENGTH - 1 - at;
            let byte = WORDS[word][at];
            let both = [byte, byte.to_ascii_uppercase()];
            let mut letter = 0;
            while letter < 2 {
                let index = both[letter] as usize;
                if shift < shifts[index] {
                    shifts[index] = shift;
                }
                letter += 1;
            }
            at += 1;
        }
        word += 1;
    }
    shifts
}

/// Whether YAML or JSON has a key, or the beginning of a text, by which an image is named: parsing
/// costs many times what this does.
fn may_name_images(bytes: &[u8]) -> bool {
    let is_key = |rest: &[u8]| {
        let rest = rest.strip_prefix(b"s").unwrap_or(rest);
        let mut after = rest.iter().skip_while(|byte| b"\"' \t".contains(byte));
        after.next() == Some(&b':')
    };
    let keys = bytes.windows(WORD_OF_IMAGES.len()).enumerate();
    let mut keys = keys.filter(|(_, window)| *window == WORD_OF_IMAGES);
    keys.any(|(at, window)| bytes.get(at.saturating_add(window.len())..).is_some_and(is_key))
        || OTHER_WORDS_OF_IMAGES.iter().any(|word| has(bytes, word))
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn has_ending(name: &[u8], endings: &[&str]) -> bool {
    endings.iter().any(|ending| {
        let start = name.len().checked_sub(ending.len());
        let end = start.and_then(|start| name.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
    })
}

#[expect(clippy::naive_bytecount, reason = "only files with a finding are counted through")]
fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|byte| **byte == wanted).count()
}

const WORD_LENGTH: usize = 5;
/// `trust`, and the beginning of `notary`: whatever is found has one of them.
const WORDS: [&[u8; WORD_LENGTH]; 2] = [b"trust", b"notar"];
/// Bytes in which a zero tells that a file is no text.
const LOOKED_AT: usize = 8 << 10;
/// Bytes below a line that are looked at for a value, and for what a command goes on with.
const LOOKED_BELOW: usize = 4 << 10;
/// The key by which an image is named.
const WORD_OF_IMAGES: &[u8] = b"image";
/// Other words by which one is.
const OTHER_WORDS_OF_IMAGES: [&[u8]; 4] =
    [b"docker://", b"docker-image://", b"container:", b"dockerfile_inline"];
/// What UTF-8 begins with that programs of Windows write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Why an image of a pipeline or a chart is not told.
const FILLED_IN: &str = "something is filled in later";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn taken(name: &str, text: &[u8]) -> Found {
        let mut found = Found::default();
        let kind = FileKind::of(name.as_bytes());
        found.take(Path::new(name), name.as_bytes(), kind, text);
        found
    }

    fn lines(found: &Found) -> Vec<(Option<usize>, Option<usize>)> {
        let line = |finding: &Finding| match &finding.place {
            Place::File { line, column, .. } => (*line, *column),
            _ => (None, None),
        };
        found.findings.iter().map(line).collect()
    }

    #[test_case(b"trust", Some(0))]
    #[test_case(b"a TRUST", Some(2))]
    #[test_case(b"xxxxnotary", Some(4))]
    #[test_case(b"trustrust", Some(0))]
    #[test_case(b"trutrust", Some(3))]
    #[test_case(b"ttttrust", Some(3))]
    #[test_case(b"trus", None)]
    #[test_case(b"", None)]
    #[test_case(b"a long line without any of it", None)]
    fn words_are_found(bytes: &[u8], at: Option<usize>) {
        assert_eq!(find_word(bytes), at);
    }

    #[test]
    fn words_are_found_wherever_they_stand() {
        for length in 0..40 {
            for at in 0..length {
                let mut text = vec![b'r'; length];
                text.splice(at..at, *b"Trust");
                assert_eq!(find_word(&text), Some(at), "{length} {at}");
            }
        }
    }

    #[test]
    fn places_have_line_and_column() {
        let text = "\n  é trust\nexport DOCKER_CONTENT_TRUST=1\n\n\té DOCKER_CONTENT_TRUST=0\n";
        let found = taken("x.sh", text.as_bytes());
        assert_eq!(lines(&found), [(Some(3), Some(8)), (Some(5), Some(4))]);
    }

    #[test]
    fn text_that_is_no_unicode_is_read_and_binary_is_not() {
        let found = taken("x.sh", b"\xff\xfe\nDOCKER_CONTENT_TRUST=1 # \xff\n");
        assert_eq!(lines(&found), [(Some(2), Some(1))]);
        assert!(taken("x.sh", b"\0\nDOCKER_CONTENT_TRUST=1\n").findings.is_empty());
    }

    #[test]
    fn text_of_windows_is_read() {
        let line = "$env:DOCKER_CONTENT_TRUST = \"1\"\r\n";
        let units: Vec<u16> = line.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for text in [[b"\xff\xfe".to_vec(), little].concat(), [b"\xfe\xff".to_vec(), big].concat()]
        {
            assert_eq!(lines(&taken("profile.ps1", &text)), [(Some(1), Some(6))]);
        }
        let marked = "\u{feff}DOCKER_CONTENT_TRUST: 1\n";
        assert_eq!(lines(&taken("x.yml", marked.as_bytes())), [(Some(1), Some(1))]);
    }

    #[test]
    fn a_file_of_one_line_takes_no_time() {
        let text = "docker trust sign a/b:1; ".repeat(4000);
        let found = taken("x.sh", text.as_bytes());
        assert_eq!((found.images.len(), found.findings.len()), (1, 4000));
        let text = "docker trust sign a/b:1\n".repeat(MAX_AUDIT_PLACES + 1);
        let found = taken("x.sh", text.as_bytes());
        assert_eq!(found.images[0].places.len(), MAX_AUDIT_PLACES);
    }

    #[test]
    fn images_of_pipelines_charts_and_other_objects_are_found() {
        let found = |name: &str, text: &str| -> Vec<String> {
            let found = taken(name, text.as_bytes());
            let images = found.images.into_iter();
            images.map(|image| image.reference.map_or("*".into(), |one| one.familiar())).collect()
        };
        let text = "image: a/b:1\nservices: [c/d:2]\njob: {image: $X}\n";
        assert_eq!(found(".gitlab-ci.yml", text), ["a/b:1", "c/d:2"]);
        let text = "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  steps:\n  - image: a/b:1\n";
        assert_eq!(found("task.yaml", text), ["a/b:1"]);
        assert_eq!(found(".tekton/task.yaml", text), ["a/b:1"]);
        assert_eq!(found("Jenkinsfile", "agent { docker { image 'a/b:1' } }\n"), ["a/b:1"]);
        assert_eq!(found("values.yaml", "image: {repository: a/b}\n"), ["*"]);
        assert_eq!(found("kustomization.yaml", "images: [{name: a/b, newTag: '1'}]\n"), ["a/b:1"]);
        let text = "{\"containerDefinitions\": [{\"image\": \"r.example.com/a:1\"}]}";
        assert_eq!(found("task.json", text), ["r.example.com/a:1"]);
        let untold = taken(".gitlab-ci.yml", b"job: {image: $X}\n");
        assert!(matches!(untold.findings[0].what, What::ImageUntold { .. }), "{untold:?}");
    }

    #[test_case("a: {image: x}", true)]
    #[test_case("{\"image\" : \"x\"}", true)]
    #[test_case("images:\n- name: x", true)]
    #[test_case("uses: docker://x", true)]
    #[test_case("container: a/b:1", true)]
    #[test_case("text: \"an image of us\"", false)]
    #[test_case("imagery: x", false)]
    #[test_case("image", false)]
    fn what_cannot_name_images_is_not_parsed(text: &str, expected: bool) {
        assert_eq!(may_name_images(text.as_bytes()), expected);
    }

    #[test]
    fn images_are_found_once_with_all_their_places() {
        let mut found = taken("Dockerfile", b"FROM a/b:1\nFROM a/b:1\nFROM $X\nFROM B\n");
        found.take(
            Path::new("x.sh"),
            b"x.sh",
            FileKind::Script,
            b"docker trust sign a/b:1\ndocker trust inspect a/b\n",
        );
        let [image, whole] = found.images.as_slice() else { panic!("{found:?}") };
        assert_eq!((image.places.len(), whole.places.len()), (3, 1));
        assert!(image.reference.is_some() && whole.reference.is_none());
        let untold = found.findings.iter();
        let untold = untold.filter(|finding| matches!(finding.what, What::ImageUntold { .. }));
        assert_eq!(untold.count(), 2);
    }

    #[test]
    fn what_only_tells_of_a_command_names_no_image() {
        let found = taken("README.md", b"Run `docker trust sign a/b:1`.\n");
        assert_eq!((found.images.len(), found.findings.len()), (0, 1));
    }

    #[test]
    fn a_template_is_no_yaml_and_that_is_told() {
        let text = b"image: {{ .Values.image }}\n{{- if .x }}\n";
        let found = taken("t.yaml", text);
        assert!(matches!(found.findings[0].what, What::NotUnderstood { .. }), "{found:?}");
    }

    #[test]
    fn more_than_anybody_reads_is_counted_and_left_out() {
        let text = "DOCKER_CONTENT_TRUST=1\n".repeat(MAX_AUDIT_FINDINGS + 2);
        let found = taken("x.sh", text.as_bytes());
        assert_eq!((found.findings.len(), found.findings_left_out), (MAX_AUDIT_FINDINGS, 2));
        let images: Vec<String> =
            (0..=MAX_AUDIT_IMAGES).map(|n| format!("docker trust sign a/b:{n}\n")).collect();
        let found = taken("x.sh", images.concat().as_bytes());
        assert_eq!((found.images.len(), found.images_left_out), (MAX_AUDIT_IMAGES, 1));
    }
}
