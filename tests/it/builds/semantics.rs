//! The same Dockerfiles by us and by Debian's buildah: the files that come out, and what the
//! configuration says. Where BuildKit, whose word counts, has it otherwise than buildah, only ours
//! is looked at, and the case says why.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use super::world::World;

/// Files of a context, by their paths.
type Files<'a> = &'a [(&'a str, File<'a>)];

#[derive(Debug, Clone, Copy)]
enum File<'a> {
    Text(&'a str),
    Program(&'a str),
    Link(&'a str),
    Folder,
    /// An archive: paths, and what each is.
    Tar(Packing, &'a [(&'a str, Member<'a>)]),
}

#[derive(Debug, Clone, Copy)]
enum Member<'a> {
    Folder,
    /// Of user 7 and group 8.
    Text(&'a str),
    Link(&'a str),
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Program(&'static str),
}

use File::{Folder, Link, Program, Tar, Text};

const STOCK: Files<'_> = &[
    ("a.txt", Text("a")),
    ("b.txt", Text("b")),
    ("c.md", Text("c")),
    (".hidden", Text("h")),
    ("run", Program("#!")),
    ("dir/x", Text("x")),
    ("dir/.dot", Text("dot")),
    ("dir/sub/y", Text("y")),
    ("dir/sub/z.md", Text("z")),
    ("dir/sub/deep/q.md", Text("q")),
    ("dir/empty", Folder),
    ("dir/link", Link("../a.txt")),
    ("dir/nowhere", Link("missing")),
    ("link", Link("a.txt")),
    ("folder-link", Link("dir")),
    ("with blank/ö", Text("umlaut")),
    ("q[1]", Text("bracket")),
    ("passwd", Text("root:x:0:0::/:\nme:x:1000:1001::/:\nyou:x:1002:1003::/:\n")),
    ("group", Text("root:x:0:\nstaff:x:50:\nme:x:1001:\n")),
    ("tree/real/k", Text("k")),
    ("tree/near", Link("real")),
    ("tree/far", Link("/real")),
    ("tree/new", Link("/made/there")),
    (
        "t.tar",
        Tar(
            Packing::Plain,
            &[
                ("td/", Member::Folder),
                ("td/f", Member::Text("tf")),
                ("tl", Member::Link("td/f")),
                ("loose/deep", Member::Text("d")),
            ],
        ),
    ),
    ("t.tgz", Tar(Packing::Program("gzip"), &[("g", Member::Text("1"))])),
    ("t.txz", Tar(Packing::Program("xz"), &[("./", Member::Folder), ("./z", Member::Text("2"))])),
    ("t.tbz", Tar(Packing::Program("bzip2"), &[("b", Member::Text("3"))])),
    ("no-archive.gz", Text("\u{1f}\u{8b}nothing")),
];

#[test]
fn sources_are_files_folders_and_patterns() {
    agree(
        STOCK,
        &[
            "COPY a.txt /f",
            "COPY a.txt /d/",
            "COPY a.txt b.txt /d/",
            "COPY dir /d",
            "COPY dir/ /d/",
            "COPY a.txt /d/k\nCOPY dir /d",
            "COPY . /c/",
            "COPY *.txt /w/",
            "COPY ?.txt /w/",
            "COPY [ab].txt /w/",
            "COPY [^b].txt /w/",
            "COPY d* /w/",
            "COPY dir/*/y /w/",
            "COPY r* /w",
            "COPY dir tree /x/",
            "COPY dir c.md /x/",
            "COPY [\"with blank/ö\", \"/o o/\"]",
            "COPY [\"*.md\", \"/x/\"]",
            "COPY ../a.txt /dir/x ./dir/./sub/../x dir/sub/ /x/",
            "COPY a.txt/ /x",
        ],
    );
}

#[test]
fn links_are_followed_where_they_are_named() {
    agree(
        STOCK,
        &[
            "COPY link /o",
            "COPY folder-link /o/",
            "COPY folder-link/x /o/",
            "COPY dir/link dir/sub /o/",
            "COPY tree /\nCOPY a.txt /near/x\nCOPY a.txt /near/",
            "COPY tree /\nCOPY a.txt /far/x",
            "COPY tree /\nCOPY a.txt /new/x",
            "COPY tree /\nWORKDIR /near/sub\nCOPY a.txt .",
        ],
    );
}

#[test]
fn owners_and_modes() {
    agree(
        STOCK,
        &[
            "COPY run a.txt /x/",
            "COPY --chmod=0600 a.txt /x",
            "COPY --chown=5:6 dir /x/",
            "COPY --chown=5 a.txt /x/y/",
            "COPY passwd group /etc/\nCOPY --chown=me:staff a.txt /x/\nCOPY --chown=you a.txt /y/\n\
             COPY --chown=1000 a.txt /z/\nCOPY --chown=me:7 a.txt /u/",
            "USER 7\nCOPY a.txt /d/",
            "COPY passwd group /etc/\nUSER me\nWORKDIR /a/b",
            "COPY --chown=5:6 dir /d\nWORKDIR /d",
            "COPY dir /d\nCOPY --chown=3:4 a.txt /d/sub/y",
        ],
    );
}

#[test]
fn destinations() {
    agree(
        STOCK,
        &[
            "COPY a.txt .\nWORKDIR /w\nCOPY a.txt ./\nCOPY b.txt ..",
            "WORKDIR /w\nCOPY a.txt sub/\nCOPY b.txt .",
            "COPY a.txt /\nCOPY b.txt //y//",
            "COPY a.txt /p/q/r/s/",
            "COPY a.txt /x\nCOPY b.txt /x",
            "COPY dir /x\nCOPY a.txt /x",
            "COPY a.txt /a\nCOPY a.txt /b\nCOPY a.txt /a",
            "ARG d=/q\nENV e=a.txt\nCOPY $e ${d}/${e}x",
            "WORKDIR a/b\nCOPY a.txt .",
        ],
    );
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    agree(
        STOCK,
        &[
            "ADD t.tar /x/",
            "ADD t.tgz /x",
            "ADD t.tbz t.txz /x/",
            "ADD t.t[gb]z /x/",
            "COPY t.tar /x/",
            "ADD a.txt no-archive.gz /x/",
            "ADD dir /x/",
            "COPY a.txt /x/td/f\nADD t.tar /x/",
        ],
    );
}

#[test]
fn files_come_from_other_stages() {
    agree_on(
        STOCK,
        &[
            "FROM scratch AS one\nCOPY dir /d\nFROM scratch\nCOPY --from=one /d/sub /o/\n\
             COPY --from=0 /d/x /",
            "FROM scratch AS one\nCOPY dir /d\nFROM scratch\nCOPY --from=one /d/s*/*.md /o/",
            "FROM scratch AS one\nCOPY dir /d\nFROM scratch\nCOPY --from=one / /all/\n\
             COPY --from=one . /rel/",
            "FROM scratch AS one\nCOPY tree /\nCOPY a.txt /real/\nFROM scratch\n\
             COPY --from=one /far/ /f/\nCOPY --from=one /near/a.txt /n",
            "FROM scratch AS one\nCOPY --chown=4:5 dir /d\nFROM scratch\nCOPY --from=one /d /e\n\
             COPY --from=one --chown=6:7 /d /f",
            "FROM scratch AS bad\nCOPY nothing /\nFROM scratch\nLABEL a=1",
            "FROM scratch AS one\nENV A=1\nWORKDIR /w\nUSER me\nLABEL l=1\nCMD [\"c\"]\n\
             FROM one\nENV B=$A\nCOPY a.txt .",
            "from scratch as x\ncopy a.txt /\nfrom x\nlabel a=b\ncmd [\"a\"]",
        ],
    );
}

#[test]
fn rules_of_what_is_left_out() {
    let rules = [
        "*.md\n",
        "**/*.md\n",
        "dir\n",
        "dir/\n",
        "/dir\n",
        "./dir/../a.txt\n",
        "*\n!a.txt\n",
        "*\n!dir/sub/y\n",
        "*\n!dir\n",
        "dir\n!dir/sub\n",
        "dir\n!dir/sub/y\n",
        "dir/*\n!dir/sub\n",
        "!a.txt\n*.txt\n",
        "*\n!dir\ndir/sub\n",
        "#a.txt\n # b.txt\n\n  a.txt  \n",
        "[ab].*\n",
        "?.txt\n",
        "**\n!dir/x\n",
        "**/sub\n",
        "dir/**\n",
        "dir/**\n!dir/sub/deep/**\n",
        "a.txt\r\n*.md\r\n",
        "\u{feff}a.txt\n",
        "Dockerfile\n.dockerignore\n",
    ];
    let world = World::new();
    for rule in rules {
        for copy in ["COPY . /c/", "COPY dir* /s/"] {
            write(&world.path("app"), STOCK);
            fs::write(world.path("app/.dockerignore"), rule).unwrap();
            let dockerfile = format!("FROM scratch\n{copy}\n");
            fs::write(world.path("app/Dockerfile"), dockerfile).unwrap();
            let (ours, theirs) = (ours(&world).unwrap(), buildah(&world));
            // Where nothing is left of a pattern, buildah fails.
            let theirs = theirs.unwrap_or_else(|_| ours.clone());
            assert_eq!(ours, theirs, "{rule:?} {copy}");
        }
    }
}

#[test]
fn variables() {
    agree(
        &[],
        &[
            "ENV a=1 b=\"x y\" c=z\\ w\nENV a=2 d=$a\nENV e f g\n\
             ENV h=${none:-def} i=${a:+alt} j=\"$a\" k='$a'",
            "ENV A=\"a\\\"b\" B=a\\$c C='d\\e' D=\"x\\\\y\" E='f'\"g\"h\nENV F  spaced   value  ",
            "ENV v=x\nLABEL a=$v \"b c\"=\"d e\" f='$v'\nLABEL a=2",
            "LABEL \"com.x\"=\"A B\" multi=\"a\\\nb\" q='it\"s' e=\"x=y\" z=a\\\"b",
            "LABEL a=1 \\\n# c\n\n  b=2 \\\n c=\"x \\\ny\"",
            "ARG h=def\nARG n\nLABEL h=$h n=$n",
            "ENV u=me\nUSER ${u}:staff",
            "ENV p=q\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c\nWORKDIR $p/r",
        ],
    );
    agree_on(
        &[],
        &[
            "ARG g=glob\nFROM scratch\nARG g\nLABEL g=$g",
            "ARG A=1\nARG B=$A\nFROM scratch AS x\nARG A\nARG B=${B:-none}\nLABEL l=\"$A $B\"",
            "ARG base=scratch\nFROM $base\nLABEL a=1",
            "FROM scratch AS a\nENV X=1\nFROM a AS b\nENV X=2 Y=$X\nFROM b\nLABEL r=$X$Y",
        ],
    );
}

#[test]
fn the_configuration() {
    agree(
        &[],
        &[
            "CMD echo   $HOME \\\n  && c",
            "CMD [\"a\",\"b\"]",
            "CMD [\"x\"]\nENTRYPOINT [\"y\"]",
            "ENTRYPOINT exec top -b\nCMD [\"x\"]",
            "VOLUME [\"/c\"]\nCMD []",
            "EXPOSE 80 443/tcp 53/udp\nEXPOSE 81/udp 80",
            "STOPSIGNAL SIGUSR1",
            "STOPSIGNAL 9",
            "HEALTHCHECK --interval=5s --retries=2 --timeout=1m CMD curl x",
            "HEALTHCHECK --start-period=1m30s CMD [\"a\",\"b\"]",
            "HEALTHCHECK NONE",
            "MAINTAINER Me <me@x>",
            "ONBUILD RUN x  y\nONBUILD COPY . /",
            "WORKDIR /tmp/",
        ],
    );
    agree_on(&[], &["FROM scratch AS b\nCMD [\"x\"]\nFROM b\nENTRYPOINT [\"y\"]"]);
}

#[test]
fn triggers() {
    agree_on(
        STOCK,
        &[
            "FROM scratch AS b\nONBUILD COPY a.txt /ob/\nONBUILD ENV o=1\nFROM b\nENV p=$o",
            "FROM scratch AS b\nONBUILD LABEL a=1\nONBUILD WORKDIR /ob\nFROM b AS c\nLABEL c=1\n\
             FROM c\nLABEL d=1",
        ],
    );
}

#[test]
fn what_neither_takes() {
    let world = World::new();
    write(&world.path("app"), STOCK);
    let cases = [
        ("COPY nothing /x", "there is no `nothing`"),
        ("COPY --chown=who a.txt /x/", "the image has no user `who`"),
        ("COPY a.txt /x\nCOPY dir /x", "a folder cannot be copied to `x`"),
        ("COPY --from=1 a.txt /x", "there is no stage `1`"),
        ("RUN <<EOF\nx", "has no end"),
        ("ENV A", "ENV needs a name and a value"),
        ("LABEL a=${b", "the brace of a variable is not closed"),
        ("EXPOSE 80/icmp", "tcp, udp or sctp"),
        ("CPOY a b", "there is no instruction CPOY"),
    ];
    for (text, words) in cases {
        fs::write(world.path("app/Dockerfile"), format!("FROM scratch\n{text}\n")).unwrap();
        let error = ours(&world).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
        assert!(error.contains(" --> Dockerfile:"), "{text}: {error}");
        assert!(buildah(&world).is_err(), "{text}");
    }
}

/// What BuildKit does, and buildah 1.28 otherwise or not at all.
#[test]
fn where_buildkit_has_it_otherwise() {
    let world = World::new();
    for (text, files, config) in OTHERWISE {
        let text = format!("FROM scratch\n{text}\n");
        write(&world.path("app"), STOCK);
        fs::write(world.path("app/Dockerfile"), &text).unwrap();
        let found = ours(&world).unwrap_or_else(|error| panic!("{text}: {error}"));
        if text.contains("--unpack=false") {
            // Its bytes are what gzip makes of it.
            assert!(found.files.0["x/t"].starts_with("f 0644 0:0 "), "{text}");
        } else {
            assert_eq!(found.files.lines(), *files, "{text}");
        }
        let config: Map<String, Value> = serde_json::from_str(config).unwrap();
        assert_eq!(found.config, config, "{text}");
    }
}

#[test]
fn an_escape_character_of_its_own() {
    let world = World::new();
    write(&world.path("app"), STOCK);
    let text = "# escape=`\nFROM scratch\nENV a=`$x b=c:\\d\nCOPY a.txt `\n /x\n";
    fs::write(world.path("app/Dockerfile"), text).unwrap();
    let found = ours(&world).unwrap();
    assert_eq!(found.files.lines(), ["x f 0644 0:0 a"]);
    assert_eq!(found.config["Env"], serde_json::json!(["a=$x", "b=c:\\d"]));
}

/// Exceptions by a pattern reach below a folder that is left out; blanks follow the mark.
#[test]
fn exceptions_of_what_is_left_out() {
    let world = World::new();
    write(&world.path("app"), STOCK);
    let ignore = "dir\n!**/*.md\n*.txt\n! b.txt\n";
    fs::write(world.path("app/.dockerignore"), ignore).unwrap();
    fs::write(world.path("app/Dockerfile"), "FROM scratch\nCOPY dir *.txt /\n").unwrap();
    assert_eq!(
        ours(&world).unwrap().files.lines(),
        [
            "b.txt f 0644 0:0 b",
            "sub d 0755 0:0",
            "sub/deep d 0755 0:0",
            "sub/deep/q.md f 0644 0:0 q",
            "sub/z.md f 0644 0:0 z"
        ]
    );
}

#[test]
fn nested_files_and_folders_do_not_take_each_others_place() {
    let world = World::new();
    for (first, second) in [("one", "two"), ("two", "one")] {
        let files = [("one/n", Text("file")), ("two/n/z", Text("z"))];
        write(&world.path("app"), &files);
        let text = format!("FROM scratch\nCOPY {first} /\nCOPY {second} /\n");
        fs::write(world.path("app/Dockerfile"), text).unwrap();
        assert!(ours(&world).unwrap_err().contains('n'));
    }
}

/// Builds each of these as a stage from nothing, by us and by buildah.
#[track_caller]
fn agree(files: Files<'_>, steps: &[&str]) {
    let whole: Vec<String> = steps.iter().map(|steps| format!("FROM scratch\n{steps}")).collect();
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    agree_on(files, &whole);
}

/// Builds each of these, by us and by buildah.
#[track_caller]
fn agree_on(files: Files<'_>, dockerfiles: &[&str]) {
    let world = World::new();
    write(&world.path("app"), files);
    for text in dockerfiles {
        fs::write(world.path("app/Dockerfile"), format!("{text}\n")).unwrap();
        let mut ours = ours(&world).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let mut theirs = buildah(&world).unwrap_or_else(|error| panic!("{text}\n{error}"));
        // Buildah makes volumes and takes the slash off a folder.
        for config in [&mut ours.config, &mut theirs.config] {
            if let Some(Value::String(folder)) = config.get_mut("WorkingDir") {
                *folder = folder.trim_end_matches('/').to_owned();
            }
        }
        if ours.config.contains_key("Volumes") {
            theirs.files.0.clear();
        }
        assert_eq!(ours, theirs, "{text}");
    }
}

/// What an image comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    files: Flat,
    /// The members that a Dockerfile can set; what says nothing is left out.
    config: Map<String, Value>,
}

/// The files of an image by their paths: type, mode, owner, and content or target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Flat(BTreeMap<String, String>);

impl Flat {
    fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(path, what)| format!("{path} {what}")).collect()
    }

    /// Puts a layer on top (OCI image specification, layers).
    fn apply(&mut self, layer: &[u8]) {
        let mut plain = Vec::new();
        if layer.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(layer).read_to_end(&mut plain).unwrap();
        } else {
            plain.extend_from_slice(layer);
        }
        let mut archive = tar::Archive::new(plain.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let path = path.trim_start_matches("./").trim_matches('/').to_owned();
            if path.is_empty() || path == "." {
                continue;
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if let Some(gone) = name.strip_prefix(".wh.") {
                let gone = format!("{folder}/{gone}").trim_start_matches('/').to_owned();
                self.remove(&gone);
                continue;
            }
            let header = entry.header().clone();
            let owner = format!("{}:{}", header.uid().unwrap(), header.gid().unwrap());
            let mode = header.mode().unwrap() & 0o7777;
            let target = entry.link_name().unwrap().map(|target| target.display().to_string());
            let what = match header.entry_type() {
                tar::EntryType::Directory => format!("d {mode:04o} {owner}"),
                tar::EntryType::Symlink => format!("l {owner} -> {}", target.unwrap()),
                tar::EntryType::Link => {
                    self.0[target.unwrap().trim_start_matches("./").trim_matches('/')].clone()
                }
                tar::EntryType::Regular => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    format!("f {mode:04o} {owner} {}", String::from_utf8_lossy(&content))
                }
                other => panic!("{path}: {other:?}"),
            };
            if !what.starts_with('d') {
                self.remove(&path);
            }
            self.0.insert(path, what);
        }
    }

    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.0.retain(|found, _| found != path && !found.starts_with(&below));
    }
}

/// Builds `app` by us.
fn ours(world: &World) -> Result<Image, String> {
    let built = world.build(&["app"]);
    if built.code != 0 {
        return Err(built.stderr);
    }
    let manifest = world.document(built.stdout.trim());
    let blobs = world.path(".local/share/trust/images/blobs/sha256");
    Ok(image(&manifest, |digest| fs::read(blobs.join(digest)).unwrap()))
}

/// Builds `app` by buildah.
fn buildah(world: &World) -> Result<Image, String> {
    let folder = |name: &str| world.path(name).display().to_string();
    fs::write(world.user.docker_config().join("config.json"), "{}").unwrap();
    let (root, run_root, out) = (folder("storage"), folder("run"), folder("out"));
    let storage = ["--root", &root, "--runroot", &run_root, "--storage-driver", "vfs"];
    let build = ["bud", "-q", "--isolation", "chroot", "--format", "docker", "--layers=false"];
    let build = [&storage[..], &build, &["-t", "built", "app"]].concat();
    let built = world.user.program("buildah", &build);
    if built.code != 0 {
        return Err(built.stderr);
    }
    let target = format!("dir:{out}");
    let push = [&storage[..], &["push", "-q", "built", &target]].concat();
    world.user.program("buildah", &push).success();
    let read = |name: &str| fs::read(Path::new(&out).join(name)).unwrap();
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let image = image(&manifest, read);
    fs::remove_dir_all(&out).unwrap();
    Ok(image)
}

fn image(manifest: &Value, read: impl Fn(&str) -> Vec<u8>) -> Image {
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        read(digest.strip_prefix("sha256:").unwrap())
    };
    let mut files = Flat::default();
    for layer in manifest["layers"].as_array().unwrap() {
        files.apply(&blob(layer));
    }
    let document: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    let mut config = Map::new();
    for member in MEMBERS {
        let mut value = document["config"][member].clone();
        if let Some(labels) = value.as_object_mut() {
            labels.remove("io.buildah.version");
        }
        if let Some(variables) = value.as_array_mut() {
            variables.retain(|text| !text.as_str().is_some_and(|text| text.starts_with("PATH=")));
        }
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty() || text == "/",
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !is_empty {
            config.insert(member.to_owned(), value);
        }
    }
    if let Some(author) = document["author"].as_str().filter(|author| !author.is_empty()) {
        config.insert("author".to_owned(), author.into());
    }
    config.sort_keys();
    Image { files, config }
}

/// Makes a folder of just these files, with git's two modes.
fn write(folder: &Path, files: Files<'_>) {
    drop(fs::remove_dir_all(folder));
    fs::create_dir(folder).unwrap();
    for (name, file) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut mode = 0o644;
        match file {
            Folder => {
                fs::create_dir(&path).unwrap();
                mode = 0o755;
            }
            Link(target) => {
                symlink(target, &path).unwrap();
                continue;
            }
            Text(text) => fs::write(&path, text).unwrap(),
            Program(text) => {
                fs::write(&path, text).unwrap();
                mode = 0o755;
            }
            Tar(packing, members) => fs::write(&path, tar(*packing, members)).unwrap(),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let below = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
        folders.extend(below.filter(|e| e.file_type().unwrap().is_dir()).map(|e| e.path()));
    }
}

fn tar(packing: Packing, members: &[(&str, Member<'_>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, member) in members {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(1_600_000_000);
        header.set_mode(0o755);
        let content = match member {
            Member::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                ""
            }
            Member::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(target).unwrap();
                ""
            }
            Member::Text(text) => {
                header.set_mode(0o640);
                header.set_uid(7);
                header.set_gid(8);
                *text
            }
        };
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let plain = archive.into_inner().unwrap();
    match packing {
        Packing::Plain => plain,
        Packing::Program(program) => packed(program, &plain),
    }
}

/// What a program makes of the bytes.
fn packed(program: &str, plain: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), plain).unwrap();
    let packed = std::process::Command::new(program).arg("-c").arg(file.path()).output().unwrap();
    assert!(packed.status.success(), "{packed:?}");
    packed.stdout
}

/// The members of a configuration that a Dockerfile can set.
const MEMBERS: [&str; 12] = [
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "User",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Shell",
    "OnBuild",
    "Healthcheck",
];

/// What BuildKit does otherwise than buildah, or buildah not at all: what follows FROM, the files,
/// and the configuration.
const OTHERWISE: &[(&str, &[&str], &str)] = &[
    // A pattern may match nothing.
    ("COPY nothing* /x/", &[], "{}"),
    // Without a slash the destination is no folder: the last file stays.
    ("COPY a.txt b.txt /d", &["d f 0644 0:0 b"], "{}"),
    // The mode is also that of folders which are made for the file.
    (
        "COPY --chmod=0750 a.txt /x/y/",
        &["x d 0750 0:0", "x/y d 0750 0:0", "x/y/a.txt f 0750 0:0 a"],
        "{}",
    ),
    ("COPY --chmod=u=rw,go= a.txt /x", &["x f 0600 0:0 a"], "{}"),
    // What is left out is seen from the folder that is copied.
    (
        "COPY --exclude=*.md --exclude=sub/deep dir/sub /d/\nCOPY --exclude=**/*.md dir/sub/deep /e/",
        &[
            "d d 0755 0:0",
            "d/deep d 0755 0:0",
            "d/deep/q.md f 0644 0:0 q",
            "d/y f 0644 0:0 y",
            "e d 0755 0:0",
        ],
        "{}",
    ),
    // Paths are kept, from the pivot on.
    (
        "COPY --parents dir/sub/y /p/\nCOPY --parents dir/./sub/*.md /q/",
        &[
            "p d 0755 0:0",
            "p/dir d 0755 0:0",
            "p/dir/sub d 0755 0:0",
            "p/dir/sub/y f 0644 0:0 y",
            "q d 0755 0:0",
            "q/sub d 0755 0:0",
            "q/sub/z.md f 0644 0:0 z",
        ],
        "{}",
    ),
    ("COPY --link a.txt /x/", &["x d 0755 0:0", "x/a.txt f 0644 0:0 a"], "{}"),
    // A bracket in brackets is one.
    ("COPY q[[]1] /x", &["x f 0644 0:0 bracket"], "{}"),
    // A link to a file is written through.
    (
        "COPY tree/real /real\nCOPY dir/link /\nCOPY tree/near/k /n\nCOPY a.txt /n",
        &["link f 0644 0:0 a", "n f 0644 0:0 a", "real d 0755 0:0", "real/k f 0644 0:0 k"],
        "{}",
    ),
    // Names of stages know no case, and those below are no images.
    (
        "COPY a.txt /\nFROM scratch AS Second\nCOPY --from=0 /a.txt /b\nFROM SECOND\nCOPY --from=second /b /c",
        &["b f 0644 0:0 a", "c f 0644 0:0 a"],
        "{}",
    ),
    // What is unpacked belongs to whom it is given.
    ("ADD --chown=9:9 t.tgz /x/", &["x d 0755 9:9", "x/g f 0640 9:9 1"], "{}"),
    ("ADD --unpack=false t.tgz /x/t", &["x d 0755 0:0"], "{}"),
    // Here-documents.
    (
        "ENV v=1\nCOPY <<EOF /f\nhello $v\n\"q\" \\$v\nEOF\nCOPY <<\"E2\" <<-E3 /d/\n$v\nE2\n\t${v}x\n\tE3",
        &[
            "d d 0755 0:0",
            "d/E2 f 0644 0:0 $v\n",
            "d/E3 f 0644 0:0 1x\n",
            "f f 0644 0:0 hello 1\n\"q\" $v\n",
        ],
        r#"{"Env":["v=1"]}"#,
    ),
    // The shell is that of SHELL.
    (
        "SHELL [\"/s\",\"-x\"]\nCMD a b\nENTRYPOINT c",
        &[],
        r#"{"Cmd":["/s","-x","a b"],"Entrypoint":["/s","-x","c"],"Shell":["/s","-x"]}"#,
    ),
    // Volumes are not made.
    ("VOLUME /v /w", &[], r#"{"Volumes":{"/v":{},"/w":{}}}"#),
    // A range is its ports.
    (
        "ENV P=8000-8001\nEXPOSE $P/udp 80",
        &[],
        r#"{"Env":["P=8000-8001"],"ExposedPorts":{"80/tcp":{},"8000/udp":{},"8001/udp":{}}}"#,
    ),
    // An argument that is declared after a variable of its name counts; the image keeps the
    // variable.
    ("ENV x=1\nARG x=2\nLABEL x=$x", &[], r#"{"Env":["x=1"],"Labels":{"x":"2"}}"#),
    // A stage has the arguments of its base.
    ("ARG a=1\nFROM scratch AS one\nARG b=2\nFROM one\nLABEL b=$b", &[], r#"{"Labels":{"b":"2"}}"#),
    // Patterns in variables.
    (
        "ENV P=/usr/lib.tar.gz\nLABEL a=${P#*/} b=${P##*/} c=${P%.*} d=${P%%.*} e=${P/l/L} f=${P//r/R}",
        &[],
        r#"{"Env":["P=/usr/lib.tar.gz"],"Labels":{"a":"usr/lib.tar.gz","b":"lib.tar.gz","c":"/usr/lib.tar","d":"/usr/lib","e":"/usr/Lib.tar.gz","f":"/usR/lib.taR.gz"}}"#,
    ),
];
