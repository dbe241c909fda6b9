//! What goes where, rule by rule (images.md §1.5).

use std::fmt::Write as _;
use std::sync::Arc;

use test_case::test_case;

use super::*;
use crate::build::changes::Changes;
use crate::build::content::{Content, Files};
use crate::build::held::Held;
use crate::build::layer::apply;
use crate::oci::archive::{ArchiveError, ArchiveWriter, Entry, EntryPath, Kind, Packer, Time};
use crate::oci::media_type::Compression;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

fn held(text: &str) -> Content {
    Arc::new(Held::new(text.as_bytes().to_vec()))
}

/// `d/` is a folder, `l>t` a symbolic link, `h=t` a hard link, all else a file whose content is its
/// name. Behind ` @` is a mode, behind ` #` an owner.
fn files(lines: &[&str]) -> Files {
    let mut files = Files::default();
    for line in lines {
        let (line, owner) = line.split_once(" #").unwrap_or((line, "0"));
        let (text, mode) = line.split_once(" @").unwrap_or((line, ""));
        let mut content = None;
        let mut entry = if let Some(folder) = text.strip_suffix('/') {
            Entry::new(path(folder), Kind::Folder)
        } else if let Some((link, target)) = text.split_once('>') {
            Entry::new(path(link), Kind::Symlink(target.as_bytes().into()))
        } else if let Some((link, target)) = text.split_once('=') {
            Entry::new(path(link), Kind::Hardlink(path(target)))
        } else {
            content = Some(held(text));
            Entry::file(path(text), text.len() as u64)
        };
        if !mode.is_empty() {
            entry.mode = u32::from_str_radix(mode, 8).unwrap();
        }
        entry.uid = owner.parse().unwrap();
        entry.gid = entry.uid;
        let mut missing = Vec::new();
        let mut above = entry.path.parent();
        while let Some(folder) = above.filter(|folder| files.at(folder).is_none()) {
            above = folder.parent();
            missing.push(folder);
        }
        for folder in missing.into_iter().rev() {
            files.put(&Entry::new(folder, Kind::Folder), None).unwrap();
        }
        files.put(&entry, content).unwrap();
    }
    files
}

fn text(content: Option<&Content>) -> String {
    let mut text = String::new();
    if let Some(content) = content {
        content.open().unwrap().read_to_string(&mut text).unwrap();
    }
    text
}

/// What changes, a line a path: mode and owner if they are not the usual ones, and the content if it
/// is not the path's name in the source.
fn lines(changes: &Changes) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, change) in &changes.paths {
        let Some((entry, content)) = &change.puts else {
            lines.push(format!("-{path}"));
            continue;
        };
        assert_eq!(entry.mtime, Time { seconds: 7, nanoseconds: 0 }, "{path}");
        let usual = if entry.kind == Kind::Folder { 0o755 } else { 0o644 };
        let mut line = match &entry.kind {
            Kind::Folder => format!("{path}/"),
            Kind::Symlink(target) => format!("{path}>{}", String::from_utf8_lossy(target)),
            Kind::Hardlink(target) => format!("{path}={target}"),
            Kind::File => format!("{path}:{}", text(content.as_ref())),
            other => format!("{path} {}", other.name()),
        };
        if entry.mode != usual && !matches!(entry.kind, Kind::Symlink(_)) {
            write!(line, " @{:o}", entry.mode).unwrap();
        }
        if (entry.uid, entry.gid) != (0, 0) {
            write!(line, " #{}:{}", entry.uid, entry.gid).unwrap();
        }
        if change.removes {
            line.insert(0, '!');
        }
        lines.push(line);
    }
    lines
}

/// A job to be changed.
fn job<'a>(context: &'a Files, sources: &[&'a str], destination: &'a str) -> Job<'a> {
    let source =
        |path: &&'a str| Source::Path { files: context, path, ignored: None, unpack: false };
    Job {
        sources: sources.iter().map(source).collect(),
        destination,
        workdir: "/",
        owner: None,
        mode: None,
        link: false,
        parents: false,
        exclude: &[],
        epoch: 7,
        scratch: std::path::Path::new("/nonexistent"),
    }
}

fn copied(
    context: &[&str],
    stage: &[&str],
    sources: &[&str],
    to: &str,
) -> Result<Vec<String>, CopyError> {
    let (context, stage) = (files(context), files(stage));
    let changes = copy(&job(&context, sources, to), &stage)?;
    // Whatever it is, it can be done.
    apply(&mut stage.clone(), &changes).unwrap();
    Ok(lines(&changes))
}

const CONTEXT: [&str; 8] =
    ["a.txt", "b.txt", "d/", "d/e/f", "d/x", "link>d/x", "dirlink>d", "d/inner>x"];

#[test_case(&["a.txt"], "/", &["a.txt:a.txt"])]
#[test_case(&["a.txt"], "/b", &["b:a.txt"] ; "another name")]
#[test_case(&["a.txt"], "b", &["b:a.txt"] ; "from the working folder")]
#[test_case(&["a.txt"], "/n/m/", &["n/", "n/m/", "n/m/a.txt:a.txt"] ; "into a folder")]
#[test_case(&["a.txt"], "/n/m/.", &["n/", "n/m/", "n/m/a.txt:a.txt"] ; "into a folder by a dot")]
#[test_case(&["a.txt"], "/n/m", &["n/", "n/m:a.txt"] ; "as a name in a folder")]
#[test_case(&["a.txt"], ".", &["a.txt:a.txt"] ; "into the working folder")]
#[test_case(&["a.txt"], "/x/../y/", &["y/", "y/a.txt:a.txt"] ; "names are cleaned")]
#[test_case(&["/a.txt"], "/", &["a.txt:a.txt"] ; "the top of the context")]
#[test_case(&["../../a.txt"], "/", &["a.txt:a.txt"] ; "not above the top")]
#[test_case(&["a.txt", "b.txt"], "/n/", &["n/", "n/a.txt:a.txt", "n/b.txt:b.txt"])]
#[test_case(&["d"], "/n", &["n/", "n/e/", "n/e/f:d/e/f", "n/inner>x", "n/x:d/x"] ; "content of a folder")]
#[test_case(&["d/"], "/n/", &["n/", "n/e/", "n/e/f:d/e/f", "n/inner>x", "n/x:d/x"] ; "with slashes")]
#[test_case(&["d/e"], "/", &["f:d/e/f"])]
#[test_case(&["link"], "/", &["link:d/x"] ; "a link as a source is followed")]
#[test_case(&["dirlink"], "/n/", &["n/", "n/e/", "n/e/f:d/e/f", "n/inner>x", "n/x:d/x"])]
#[test_case(&["dirlink/x"], "/", &["x:d/x"])]
#[test_case(&["*.txt"], "/n/", &["n/", "n/a.txt:a.txt", "n/b.txt:b.txt"] ; "a pattern")]
#[test_case(&["*.txt"], "/n", &["n:b.txt"] ; "the last one stays")]
#[test_case(&["?.txt"], "/", &["a.txt:a.txt", "b.txt:b.txt"])]
#[test_case(&["[a]*"], "/", &["a.txt:a.txt"])]
#[test_case(&["d*"], "/n/", &["n/", "n/e/", "n/e/f:d/e/f", "n/inner>x", "n/x:d/x"] ; "folders and links to them")]
#[test_case(&["d/*/f"], "/", &["f:d/e/f"])]
#[test_case(&["d/*"], "/", &["f:d/e/f", "inner:d/x", "x:d/x"] ; "matches are followed")]
#[test_case(&["none*"], "/", &[] ; "nothing matches")]
#[test_case(&["none*"], "/n/", &[] ; "nothing matches and nothing is made")]
fn places(sources: &[&str], to: &str, expected: &[&str]) {
    assert_eq!(copied(&CONTEXT, &[], sources, to).unwrap(), expected);
}

#[test_case("/there", &["there/a.txt:a.txt"] ; "a folder that is there")]
#[test_case("/there/", &["there/a.txt:a.txt"])]
#[test_case("/there/old", &["there/old:a.txt"] ; "in the place of a file")]
#[test_case("/to/", &["real/in/a.txt:a.txt"] ; "through a link to a folder")]
#[test_case("/to", &["real/in/a.txt:a.txt"] ; "a link to a folder")]
#[test_case("/up/in/x", &["real/in/x:a.txt"] ; "links lead inside the tree")]
#[test_case("/tofile", &["there/old:a.txt"] ; "a link to a file is followed")]
#[test_case("/dangling", &["nowhere:a.txt"] ; "a link to nothing")]
#[test_case("/dangling/", &["nowhere/", "nowhere/a.txt:a.txt"])]
#[test_case("/there/inner/", &["there/inner/", "there/inner/a.txt:a.txt"])]
fn places_in_a_stage(to: &str, expected: &[&str]) {
    let stage = [
        "there/ @700",
        "there/old",
        "real/in/",
        "to>/real/in",
        "up>../../real",
        "tofile>there/old",
        "dangling>nowhere",
    ];
    assert_eq!(copied(&CONTEXT, &stage, &["a.txt"], to).unwrap(), expected);
}

#[test]
fn a_link_in_the_folder_is_replaced() {
    assert_eq!(copied(&["l"], &["d/l>x", "x"], &["l"], "/d/").unwrap(), ["d/l:l"]);
    assert_eq!(copied(&["s/l"], &["d/l>x", "x"], &["s"], "/d/").unwrap(), ["d/l:s/l"]);
    assert_eq!(copied(&["s/l>y"], &["d/l", "x"], &["s"], "/d/").unwrap(), ["d/l>y"]);
}

#[test]
fn folders_that_are_there() {
    let stage = ["d/ @700", "d/in/ @711 #5", "d/in/old"];
    let context = ["s/ @750", "s/in/ @755", "s/in/new"];
    let expected = ["d/in/", "d/in/new:s/in/new"];
    assert_eq!(
        copied(&context, &stage, &["s"], "/d").unwrap(),
        expected,
        "the folder itself stays"
    );
    let stage = ["d/in/", "d/in/old"];
    assert_eq!(copied(&context, &stage, &["s"], "/d").unwrap(), ["d/in/new:s/in/new"]);
    assert_eq!(copied(&["s/in/ @700"], &stage, &["s"], "/d").unwrap(), ["d/in/ @700"]);
    assert_eq!(copied(&["s/ @700", "s/x"], &[], &["s"], "/n").unwrap(), ["n/", "n/x:s/x"]);
    assert_eq!(copied(&["s/"], &["d/"], &["s"], "/d").unwrap(), [""; 0]);
}

#[test]
fn folders_and_files_do_not_take_each_others_place() {
    let onto = |context: &[&str], stage: &[&str], source: &str, to: &str| {
        copied(context, stage, &[source], to).unwrap_err()
    };
    let error = onto(&["s/x"], &["f"], "s", "/f");
    assert!(matches!(&error, CopyError::NotAFolder { path } if path == "f"), "{error:?}");
    let error = onto(&["x"], &["f"], "x", "/f/");
    assert!(matches!(&error, CopyError::NotAFolder { path } if path == "f"), "{error:?}");
    let error = onto(&["x"], &["f"], "x", "/f/g");
    assert!(
        matches!(
            &error,
            CopyError::NotAFolder { .. } | CopyError::Path(ArchiveError::NotAFolder { .. })
        ),
        "{error:?}"
    );
    let error = onto(&["s/x"], &["d/x/"], "s", "/d");
    assert!(matches!(&error, CopyError::IsAFolder { path } if path == "d/x"), "{error:?}");
    let error = onto(&["x"], &["d/x/"], "x", "/d/");
    assert!(matches!(&error, CopyError::IsAFolder { path } if path == "d/x"), "{error:?}");
    let error = onto(&["s/x/y"], &["d/x>z", "z/"], "s", "/d");
    assert!(matches!(&error, CopyError::NotAFolder { path } if path == "d/x"), "{error:?}");
}

#[test]
fn sources_that_are_not_there() {
    let missing = |source: &str| copied(&CONTEXT, &[], &[source], "/").unwrap_err();
    for (source, nearest) in [
        ("a.tst", Some("a.txt")),
        ("A.TXT", Some("a.txt")),
        ("d/ee", Some("d/e")),
        ("dd/x", None),
        ("nothing/*.txt", None),
        ("zzz", None),
    ] {
        match missing(source) {
            CopyError::NoSource { path, nearest: found, ignored: false } => {
                assert_eq!(path, source);
                if let Some(nearest) = nearest {
                    assert_eq!(found.as_deref(), Some(nearest), "{source}");
                }
            }
            error => panic!("{source}: {error:?}"),
        }
    }
    let error = missing("a.txt/x");
    assert!(matches!(error, CopyError::NoSource { .. }), "{error:?}");
    let dangling = copied(&["l>gone"], &[], &["l"], "/").unwrap_err();
    assert!(matches!(dangling, CopyError::NoSource { .. }), "{dangling:?}");
    let matched = copied(&["l>gone"], &[], &["l*"], "/").unwrap_err();
    assert!(matches!(matched, CopyError::NoSource { .. }), "{matched:?}");
    let around = copied(&["l>l"], &[], &["l"], "/").unwrap_err();
    assert!(matches!(around, CopyError::Path(ArchiveError::LinkLoop { .. })), "{around:?}");
    let broken = copied(&CONTEXT, &[], &["[a"], "/").unwrap_err();
    assert!(matches!(broken, CopyError::Pattern { .. }), "{broken:?}");
}

#[test]
fn what_dockerignore_leaves_out_is_told() {
    struct Secrets;
    impl crate::build::context::Exclusion for Secrets {
        fn excludes(&self, path: &[u8]) -> bool {
            path == b"secret"
        }

        fn may_skip(&self, _folder: &[u8]) -> bool {
            false
        }
    }
    let context = files(&CONTEXT);
    for (path, expected) in [("secret", true), ("/secret", true), ("other", false)] {
        let source = Source::Path { files: &context, path, ignored: Some(&Secrets), unpack: false };
        let job = Job { sources: vec![source], ..job(&context, &[], "/") };
        match copy(&job, &Files::default()).unwrap_err() {
            CopyError::NoSource { ignored, .. } => assert_eq!(ignored, expected, "{path}"),
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn owners() {
    let context = files(&["s/ #9", "s/x @600 #9", "s/l>x #9"]);
    let stage = files(&["etc/", "old/ @700", "old/s/"]);
    let with = |owner, to| {
        let job = Job { owner, ..job(&context, &["s"], to) };
        lines(&copy(&job, &stage).unwrap())
    };
    assert_eq!(with(None, "/n/m"), ["n/", "n/m/", "n/m/l>x #9:9", "n/m/x:s/x @600 #9:9"]);
    assert_eq!(
        with(Some("5:6"), "/n/m"),
        ["n/ #5:6", "n/m/ #5:6", "n/m/l>x #5:6", "n/m/x:s/x @600 #5:6"]
    );
    assert_eq!(with(Some("5"), "/old"), ["old/l>x #5:5", "old/x:s/x @600 #5:5"]);
    let job = Job { owner: Some("nobody"), ..job(&context, &["s"], "/") };
    assert!(matches!(copy(&job, &stage), Err(CopyError::Account(_))));
}

#[test]
fn names_of_owners_are_those_of_the_stage() {
    let context = files(&["x"]);
    let mut stage = files(&["etc/"]);
    let passwd = "web:x:33:34::/:\n";
    let entry = Entry::file(path("etc/passwd"), passwd.len() as u64);
    stage.put(&entry, Some(held(passwd))).unwrap();
    for link in [false, true] {
        let job = Job { owner: Some("web"), link, ..job(&context, &["x"], "/") };
        assert_eq!(lines(&copy(&job, &stage).unwrap()), ["x:x #33:34"]);
    }
}

#[test]
fn modes() {
    let context = files(&["s/ @750", "s/d/ @700", "s/x @600", "s/run @755", "s/l>x"]);
    let with = |mode| {
        let job = Job { mode: Some(mode), ..job(&context, &["s"], "/n/m") };
        lines(&copy(&job, &Files::default()).unwrap())
    };
    assert_eq!(
        with("640"),
        ["n/ @640", "n/m/ @640", "n/m/d/ @640", "n/m/l>x", "n/m/run:s/run @640", "n/m/x:s/x @640"]
    );
    assert_eq!(with("4755")[..4], ["n/", "n/m/", "n/m/d/ @4755", "n/m/l>x"]);
    assert_eq!(
        with("u=rwX,go=rX"),
        ["n/", "n/m/", "n/m/d/", "n/m/l>x", "n/m/run:s/run @755", "n/m/x:s/x"]
    );
    let job = Job { mode: Some("rwx"), ..job(&context, &["s"], "/n") };
    assert!(matches!(copy(&job, &Files::default()), Err(CopyError::Mode { .. })));
}

#[test]
fn linked_copies_know_nothing_of_the_stage() {
    let context = files(&["s/x", "y"]);
    let stage = files(&["to>/real", "real/", "tmp/ @1777"]);
    let with = |sources: &[&'static str], to, mode| {
        let job = Job { link: true, mode, ..job(&context, sources, to) };
        let changes = copy(&job, &stage).unwrap();
        apply(&mut stage.clone(), &changes).unwrap();
        lines(&changes)
    };
    assert_eq!(with(&["y"], "/to/", None), ["to/", "to/y:y"], "links are not followed");
    assert_eq!(with(&["s"], "/tmp/n", None), ["tmp/", "tmp/n/", "tmp/n/x:s/x"]);
    assert_eq!(with(&["y"], "/to/", Some("644")), ["real/y:y"], "not with a mode");
}

#[test]
fn parents() {
    let context = files(&["a/b/ @711", "a/b/c.txt", "a/b/d.go", "a/e/f.txt", "top.txt", "a/l>e"]);
    let with = |sources: &[&'static str], stage: &[&str], to| {
        let job = Job { parents: true, ..job(&context, sources, to) };
        copy(&job, &files(stage)).map(|changes| lines(&changes))
    };
    assert_eq!(
        with(&["a/b/c.txt"], &[], "/n/").unwrap(),
        ["n/", "n/a/", "n/a/b/ @711", "n/a/b/c.txt:a/b/c.txt"]
    );
    assert_eq!(
        with(&["a/./b/c.txt"], &[], "/n/").unwrap(),
        ["n/", "n/b/ @711", "n/b/c.txt:a/b/c.txt"]
    );
    assert_eq!(
        with(&["**/*.txt"], &[], "/").unwrap(),
        [
            "a/",
            "a/b/ @711",
            "a/b/c.txt:a/b/c.txt",
            "a/e/",
            "a/e/f.txt:a/e/f.txt",
            "top.txt:top.txt"
        ]
    );
    assert_eq!(with(&["a/./*/c.txt"], &[], "/").unwrap(), ["b/ @711", "b/c.txt:a/b/c.txt"]);
    assert_eq!(with(&["a/e"], &[], "/").unwrap(), ["a/", "a/e/", "a/e/f.txt:a/e/f.txt"]);
    assert_eq!(with(&["a/l"], &[], "/").unwrap(), ["a/", "a/l>e"], "links on the way are kept");
    assert_eq!(with(&["none*"], &[], "/n/").unwrap(), ["n/"], "the folder is made all the same");
    assert_eq!(
        with(&["a/b/c.txt"], &["a/b/ @700 #3"], "/").unwrap(),
        ["a/b/ @711 #3:3", "a/b/c.txt:a/b/c.txt"],
        "folders on the way get the mode alone"
    );
    assert!(matches!(with(&["a/x.txt"], &[], "/"), Err(CopyError::NoSource { .. })));
    assert!(matches!(with(&["x/./y"], &[], "/"), Err(CopyError::NoSource { .. })));
    let error = with(&["a/b/c.txt"], &["a"], "/").unwrap_err();
    assert!(matches!(error, CopyError::NotAFolder { .. }), "{error:?}");
}

#[test]
fn excluded() {
    let context = files(&["s/a.md", "s/a.txt", "s/d/b.md", "s/d/keep.md", "s/d/c.txt", "top.md"]);
    let with = |exclude: &[&str], sources: &[&'static str], parents| {
        let exclude: Vec<String> = exclude.iter().map(|one| (*one).to_owned()).collect();
        let job = Job { exclude: &exclude, parents, ..job(&context, sources, "/n/") };
        copy(&job, &Files::default()).map(|changes| lines(&changes))
    };
    let all = [
        "n/",
        "n/a.txt:s/a.txt",
        "n/d/",
        "n/d/b.md:s/d/b.md",
        "n/d/c.txt:s/d/c.txt",
        "n/d/keep.md:s/d/keep.md",
    ];
    assert_eq!(with(&["*.md"], &["s"], false).unwrap(), all);
    assert_eq!(
        with(&["**/*.md"], &["s"], false).unwrap(),
        ["n/", "n/a.txt:s/a.txt", "n/d/", "n/d/c.txt:s/d/c.txt"]
    );
    assert_eq!(with(&["d"], &["s"], false).unwrap(), ["n/", "n/a.md:s/a.md", "n/a.txt:s/a.txt"]);
    assert_eq!(
        with(&["d", "!d/keep.md"], &["s"], false).unwrap(),
        ["n/", "n/a.md:s/a.md", "n/a.txt:s/a.txt", "n/d/", "n/d/keep.md:s/d/keep.md"]
    );
    assert_eq!(with(&["*"], &["s"], false).unwrap(), ["n/"]);
    assert_eq!(
        with(&["*.md"], &["top.md"], false).unwrap(),
        ["n/", "n/top.md:top.md"],
        "named itself"
    );
    assert_eq!(
        with(&["s/d"], &["s"], true).unwrap(),
        ["n/", "n/s/", "n/s/a.md:s/a.md", "n/s/a.txt:s/a.txt"],
        "from the pivot"
    );
    assert!(matches!(with(&["[a"], &["s"], false), Err(CopyError::Pattern { .. })));
}

#[test]
fn files_that_are_held() {
    let stage = files(&["etc/", "etc/old"]);
    let with = |name, to, mode| {
        let file = Source::File { name, content: held("text"), size: 4, mode, unpack: false };
        let context = Files::default();
        let job = Job { sources: vec![file], ..job(&context, &[], to) };
        copy(&job, &stage).map(|changes| lines(&changes))
    };
    assert_eq!(with("EOF", "/etc/", 0o644).unwrap(), ["etc/EOF:text"]);
    assert_eq!(with("EOF", "/etc/conf", 0o644).unwrap(), ["etc/conf:text"]);
    assert_eq!(with("download", "/n/", 0o600).unwrap(), ["n/", "n/download:text @600"]);
    assert_eq!(with("EOF", "/etc", 0o644).unwrap(), ["etc/EOF:text"]);
}

#[test]
fn repositories_are_copied_whole() {
    let repository = files(&["src/main.c", "README"]);
    let with = |stage: &[&str], to| {
        let job = Job { sources: vec![Source::All(&repository)], ..job(&repository, &[], to) };
        copy(&job, &files(stage)).map(|changes| lines(&changes))
    };
    let expected = ["n/", "n/README:README", "n/src/", "n/src/main.c:src/main.c"];
    assert_eq!(with(&[], "/n").unwrap(), expected);
    assert_eq!(with(&["n/"], "/n/").unwrap(), expected[1..]);
}

#[test]
fn hard_links_of_one_copy_stay_links() {
    let stage = files(&["s/b", "s/a=s/b", "s/c=s/b"]);
    let with = |sources: &[&'static str]| {
        lines(&copy(&job(&stage, sources, "/n/"), &Files::default()).unwrap())
    };
    assert_eq!(with(&["s"]), ["n/", "n/a:s/b", "n/b=n/a", "n/c=n/a"]);
    assert_eq!(with(&["s/a", "s/b"]), ["n/", "n/a:s/b", "n/b:s/b"]);
    let over = files(&["s/b", "s/c=s/b", "t/b"]);
    let two = lines(&copy(&job(&over, &["s", "t"], "/n/"), &Files::default()).unwrap());
    assert_eq!(two, ["n/", "n/b:t/b", "n/c:s/b"], "what takes a name takes no link with it");
}

#[test]
fn special_files_of_stages() {
    let mut stage = Files::default();
    let kinds = [("p", Kind::Fifo), ("n", Kind::CharDevice { major: 1, minor: 3 })];
    for (name, kind) in kinds {
        stage.put(&Entry::new(path(name), kind), None).unwrap();
    }
    let changes = copy(&job(&stage, &["."], "/d/"), &Files::default()).unwrap();
    assert_eq!(lines(&changes), ["d/", "d/n character device", "d/p fifo"]);
}

#[test]
fn names_that_mean_that_a_file_is_gone() {
    for (context, source, to) in [
        (&[".wh.x"][..], ".wh.x", "/"),
        (&["s/.wh..wh..opq"], "s", "/"),
        (&["s/.wh.d/x"], "s", "/"),
        (&["x"], "x", "/.wh.y"),
        (&["x"], "x", "/.wh.d/y"),
    ] {
        let error = copied(context, &["y", "d/y"], &[source], to).unwrap_err();
        assert!(matches!(error, CopyError::Whiteout { .. }), "{source} {to}: {error:?}");
    }
    let error = make_folder(&Files::default(), "/a/.wh.b", (0, 0), 7).unwrap_err();
    assert!(matches!(error, CopyError::Whiteout { .. }), "{error:?}");
}

#[test]
fn names_of_any_bytes() {
    let mut context = Files::default();
    let name = b"new\nline \xff\xfe";
    context.put(&Entry::file(EntryPath::parse(name).unwrap(), 1), Some(held("x"))).unwrap();
    let changes = copy(&job(&context, &["new*"], "/d/"), &Files::default()).unwrap();
    let last = changes.paths.keys().next_back().unwrap();
    assert_eq!(last.as_bytes(), b"d/new\nline \xff\xfe");
}

#[test]
fn folders_of_workdir() {
    let stage = files(&["srv/ @711 #4", "to>srv/real", "f"]);
    let made = |path| make_folder(&stage, path, (5, 6), 7).map(|changes| lines(&changes));
    assert_eq!(made("/srv/a/b").unwrap(), ["srv/a/ #5:6", "srv/a/b/ #5:6"]);
    assert_eq!(made("/srv").unwrap(), [""; 0]);
    assert_eq!(made("/srv/").unwrap(), [""; 0]);
    assert_eq!(made("/to/x").unwrap(), ["srv/real/ #5:6", "srv/real/x/ #5:6"]);
    assert_eq!(made("/../x").unwrap(), ["x/ #5:6"]);
    assert!(made("/f").is_err());
    assert!(made("/f/x").is_err());
}

mod archives {
    use std::io::Read as _;

    use base64::Engine as _;

    use super::*;

    fn tar(entries: &[Entry], compression: Compression) -> Vec<u8> {
        let packer = Packer::new(Vec::new(), compression).unwrap();
        let mut archive = ArchiveWriter::new(packer);
        for entry in entries {
            let content = vec![b'x'; usize::try_from(entry.size).unwrap()];
            archive.append_bytes(entry, &content).unwrap();
        }
        archive.finish().unwrap().finish().unwrap()
    }

    fn entries(lines: &[&str]) -> Vec<Entry> {
        lines
            .iter()
            .map(|line| {
                let mut entry = if let Some(folder) = line.strip_suffix('/') {
                    Entry::new(path(folder), Kind::Folder)
                } else if let Some((link, target)) = line.split_once('>') {
                    Entry::new(path(link), Kind::Symlink(target.as_bytes().into()))
                } else if let Some((link, target)) = line.split_once('=') {
                    Entry::new(path(link), Kind::Hardlink(path(target)))
                } else {
                    Entry::file(path(line), 1)
                };
                (entry.uid, entry.gid) = (3, 4);
                entry
            })
            .collect()
    }

    /// Unpacks into `/d/` of a stage.
    fn added(
        archive: Vec<u8>,
        stage: &[&str],
        owner: Option<&str>,
    ) -> Result<Vec<String>, CopyError> {
        let scratch = tempfile::tempdir().unwrap();
        let mut context = Files::default();
        let entry = Entry::file(path("a.tar"), archive.len() as u64);
        context.put(&entry, Some(Arc::new(Held::new(archive)))).unwrap();
        let source = Source::Path { files: &context, path: "a.tar", ignored: None, unpack: true };
        let job = Job {
            sources: vec![source],
            scratch: scratch.path(),
            owner,
            ..job(&context, &[], "/d/")
        };
        let changes = copy(&job, &files(stage))?;
        apply(&mut files(stage), &changes).unwrap();
        let lines = lines(&changes);
        assert_eq!(
            std::fs::read_dir(scratch.path()).unwrap().count(),
            usize::from(
                changes.paths.values().any(|change| matches!(&change.puts, Some((_, Some(_)))))
            )
        );
        drop(changes);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "gone with the contents");
        Ok(lines)
    }

    #[test]
    fn packed_in_any_way() {
        let plain = tar(&entries(&["a", "b/"]), Compression::None);
        let mut bzip2 = bzip2::read::BzEncoder::new(&plain[..], bzip2::Compression::fast());
        let mut packed = Vec::new();
        bzip2.read_to_end(&mut packed).unwrap();
        let all = [
            packed,
            tar(&entries(&["a", "b/"]), Compression::Gzip),
            tar(&entries(&["a", "b/"]), Compression::Zstd),
            plain,
        ];
        for archive in all {
            let lines = added(archive, &[], None).unwrap();
            assert_eq!(lines, ["d/", "d/a:x #3:4", "d/b/ #3:4"]);
        }
    }

    /// An archive of a file `a`, as `xz` packs it.
    #[test]
    fn packed_with_xz() {
        let archive = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AFhdADCAM1AYaImDAdziU4ALEJaXK5sVRtvaKRcfrdZI\
                       c9VSPHdYrij4Aj1x3H2MJThUuZguD+obqf0NYc7oVZjNQ4jvnyqkDxPkHo/QnzlFLY6jC4AuL/uTAAAA\
                       5IKlZh6Xnn0AAXSAUAAAADokDSmxxGf7AgAAAAAEWVo=";
        let archive = base64::engine::general_purpose::STANDARD.decode(archive.replace(' ', ""));
        assert_eq!(added(archive.unwrap(), &["d/"], Some("9")).unwrap(), ["d/a:x #9:9"]);
    }

    #[test]
    fn no_archives_are_copied() {
        for bytes in [&b"text"[..], b"", b"\x1f\x8b broken", &[0; 2048], &[b'x'; 5000]] {
            let mut context = Files::default();
            let entry = Entry::file(path("a.tar"), bytes.len() as u64);
            let content =
                (!bytes.is_empty()).then(|| Arc::new(Held::new(bytes.to_vec())) as Content);
            context.put(&entry, content).unwrap();
            let source =
                Source::Path { files: &context, path: "a.tar", ignored: None, unpack: true };
            let job = Job { sources: vec![source], ..job(&context, &[], "/d/") };
            let changes = copy(&job, &Files::default()).unwrap();
            assert_eq!(changes.paths.len(), 2, "{bytes:?}");
            assert!(changes.paths.contains_key(&path("d/a.tar")), "{bytes:?}");
        }
    }

    #[test]
    fn entries_take_the_place_of_what_is_there() {
        let stage = ["d/f", "d/g/", "d/g/old", "d/l>/etc", "etc/passwd", "d/m>/etc"];
        let archive =
            tar(&entries(&["./", "f/", "g", "l/", "l/passwd", "m/passwd"]), Compression::None);
        let lines = added(archive, &stage, None).unwrap();
        assert_eq!(
            lines,
            ["d/f/ #3:4", "!d/g:x #3:4", "d/l/ #3:4", "d/l/passwd:x #3:4", "etc/passwd:x #3:4"],
            "a folder replaces a link, and other entries follow it"
        );
        let archive = tar(&entries(&["g", "g/"]), Compression::None);
        assert_eq!(added(archive, &stage, None).unwrap(), ["!d/g/ #3:4"], "nothing old comes back");
    }

    #[test]
    fn links_in_archives() {
        let archive = tar(&entries(&["b", "c=b", "a=c", "old2=old"]), Compression::None);
        let lines = added(archive, &["d/old"], None).unwrap();
        assert_eq!(lines, ["d/a:x #3:4", "d/b=d/a #3:4", "d/c=d/a #3:4", "d/old2:d/old"]);
        let archive = tar(&entries(&["b=none"]), Compression::None);
        let error = added(archive, &[], None).unwrap_err();
        let expected =
            matches!(&error, CopyError::Archive { cause: ArchiveError::LinkTarget { .. }, .. });
        assert!(expected, "{error:?}");
    }

    #[test]
    fn no_archive_climbs() {
        let mut outside = tar(&entries(&["xx/xx/evil"]), Compression::None);
        let name = b"../../evil";
        outside[..name.len()].copy_from_slice(name);
        let sum: u64 =
            outside[..148].iter().chain(&outside[156..512]).map(|byte| u64::from(*byte)).sum();
        outside[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 8 * 32).as_bytes());
        let error = added(outside, &[], None).unwrap_err();
        let expected =
            matches!(&error, CopyError::Archive { cause: ArchiveError::Escapes { .. }, .. });
        assert!(expected, "{error:?}");
        let lines =
            added(tar(&entries(&["l>../../../..", "l/etc/x"]), Compression::None), &[], None);
        assert_eq!(lines.unwrap(), ["d/", "d/l>../../../.. #3:4", "etc/", "etc/x:x #3:4"]);
        let around = added(tar(&entries(&["l>m", "m>l", "l/x"]), Compression::None), &[], None);
        let error = around.unwrap_err();
        let expected =
            matches!(&error, CopyError::Archive { cause: ArchiveError::LinkLoop { .. }, .. });
        assert!(expected, "{error:?}");
    }

    #[test]
    fn whiteouts_in_archives() {
        let archive = tar(&entries(&[".wh.old"]), Compression::None);
        let error = added(archive, &["d/old"], None).unwrap_err();
        assert!(matches!(error, CopyError::Whiteout { .. }), "{error:?}");
    }

    #[test]
    fn cut_archives() {
        let mut archive = tar(&[Entry::file(path("a"), 5000)], Compression::None);
        archive.truncate(2000);
        let error = added(archive, &[], None).unwrap_err();
        let expected = matches!(&error, CopyError::Archive { cause: ArchiveError::Truncated, .. });
        assert!(expected, "{error:?}");
    }
}
